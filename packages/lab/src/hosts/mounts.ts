/**
 * Reads where this process stands in the machine's control groups. Pure parsers of /proc/self/mountinfo and
 * /proc/self/cgroup (proc(5), cgroups(7)).
 */

export type GroupMount = {
  readonly version: 1 | 2;
  /** Where it is mounted. */
  readonly folder: string;
  /** What of the hierarchy is mounted there: `/`, or a container's own part. */
  readonly root: string;
  /** Version 1: its controllers. Version 2 tells them in a file. */
  readonly controllers: readonly string[];
};

/** Options of a version 1 mount that are no controllers. */
const NO_CONTROLLERS = new Set(['rw', 'ro', 'xattr', 'noprefix', 'clone_children']);

export const parseGroupMounts = (mountinfo: string): readonly GroupMount[] =>
  mountinfo
    .split('\n')
    .map((line) => line.split(' - '))
    .flatMap(([place = '', kind = '']) => {
      const [, , , root = '', folder = ''] = place.split(' ');
      const [type, , options = ''] = kind.split(' ');
      if (type !== 'cgroup' && type !== 'cgroup2') return [];
      const version = type === 'cgroup' ? 1 : 2;
      const controllers = version === 1 ? options.split(',').filter((name) => !NO_CONTROLLERS.has(name)) : [];
      return [{ version, folder: unescapeMount(folder), root: unescapeMount(root), controllers } as const];
    });

/** Spaces and the like are written as octal numbers. */
const unescapeMount = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** The path of this process below a mount, `''` for its top; also when the path lies outside what is mounted. */
export const ownPath = (mount: GroupMount, procCgroup: string): string => {
  const line = procCgroup.split('\n').find((each) => belongsTo(mount, each.split(':')[1] ?? ''));
  const path = line?.split(':').slice(2).join(':') ?? '/';
  if (mount.root === '/') return path === '/' ? '' : path;
  return path.startsWith(`${mount.root}/`) ? path.slice(mount.root.length) : '';
};

const belongsTo = (mount: GroupMount, controllers: string): boolean =>
  mount.version === 2 ? controllers === '' : controllers.split(',').some((name) => mount.controllers.includes(name));

/** A folder and its parents up to the mount, nearest first. */
export const upwards = (mount: GroupMount, path: string): readonly string[] => {
  const parts = path.split('/').filter((part) => part !== '');
  return Array.from({ length: parts.length + 1 }, (_, index) =>
    [mount.folder, ...parts.slice(0, parts.length - index)].join('/'),
  );
};
