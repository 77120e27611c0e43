/** Where distributions put things: folders to look in, most usual first. Pure. */

const triplets: Readonly<Record<string, string>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  arm: 'arm-linux-gnueabihf',
  ppc64: 'powerpc64le-linux-gnu',
  s390x: 's390x-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
};

/** Debian's name for an architecture of Node's (`process.arch`), as in its library folders. */
export const tripletOf = (architecture: string): string => triplets[architecture] ?? `${architecture}-linux-gnu`;

/** Folders of programs below a root (`''` for the system itself). */
export const programFolders = (root: string): readonly string[] =>
  ['usr/local/sbin', 'usr/local/bin', 'usr/sbin', 'usr/bin', 'sbin', 'bin', 'usr/libexec'].map(
    (folder) => `${root}/${folder}`,
  );

/** The system's own places come after PATH: an ordinary user's PATH often lacks the sbin folders. */
export const installedFolders = (path: string): readonly string[] => [
  ...new Set([...path.split(':').filter((folder) => folder.startsWith('/')), ...programFolders('')]),
];

export const libraryFolders = (root: string, triplet: string): readonly string[] => [
  `${root}/usr/lib/${triplet}`,
  `${root}/lib/${triplet}`,
];

/** The wsrep provider; `base` is the folder above `sbin` or `bin` of the server. */
export const galeraLibraries = (base: string): readonly string[] =>
  ['lib/galera', 'lib', 'lib64/galera-4', 'lib64/galera', 'lib/galera-4'].map(
    (folder) => `${base}/${folder}/libgalera_smm.so`,
  );

/** Each is proved by a plugin that every build with Galera has. */
export const pluginFolders = (base: string): readonly string[] =>
  ['lib/mysql/plugin', 'lib/mariadb/plugin', 'lib64/mariadb/plugin', 'lib64/mysql/plugin'].map(
    (folder) => `${base}/${folder}`,
  );
export const pluginProof = 'wsrep_info.so';

export const shareFolders = (base: string): readonly string[] =>
  ['share/mysql', 'share/mariadb'].map((folder) => `${base}/${folder}`);
export const shareProof = 'english/errmsg.sys';

/** The build for programs with threads, which a database server is. */
export const faketimeLibraries = (root: string, triplet: string): readonly string[] =>
  [`lib/${triplet}/faketime`, 'lib/faketime', 'lib64/faketime', 'local/lib/faketime'].map(
    (folder) => `${root}/usr/${folder}/libfaketimeMT.so.1`,
  );

export type Distribution = { readonly id: string; readonly version: string };

/** From the text of /etc/os-release. Rolling distributions have no version. */
export const parseDistribution = (osRelease: string): Distribution => {
  const value = (key: string): string =>
    new RegExp(`^${key}="?([A-Za-z0-9._-]+)"?\\s*$`, 'm').exec(osRelease)?.[1] ?? 'unknown';
  return { id: value('ID'), version: value('VERSION_ID') };
};
