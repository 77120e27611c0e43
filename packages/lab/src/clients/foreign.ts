/**
 * The unmodified clients of the kill test: which library each stands for, and how its program is made ready here.
 * Libraries come from the system or from the distribution's packages into our cache; languages must be installed.
 * What a machine does not have is an answer with the reason, never silence.
 */
import { constants } from 'node:fs';
import { access, copyFile, readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CompanionOptions, type FoundCompanion, findCompanion, findPrograms } from '@coequal/engines';
import { codeOf, reasonOf } from '@coequal/kernel';
import type { Endpoint } from '@coequal/proof';
import { type Runner, runnerFor } from '../process/run.ts';

/** Where a program connects to, and what it is told beside. */
export type Assignment = {
  readonly endpoint: Endpoint;
  /** Path of the authority's certificate. */
  readonly authorityPath: string;
  /** A certificate and its key that the authority made: sysbench does not use TLS without one of its own. */
  readonly certificate: CertificatePaths;
  readonly run: number;
  readonly paceMs: number;
  /** All addresses, `host:port` with commas between, for a program that knows several. */
  readonly hosts?: string;
  /** A folder for this run alone. */
  readonly folder: string;
};

/** The file at which a program ends. */
export const stopFile = ({ folder }: Assignment): string => `${folder}/stop`;

export type CertificatePaths = { readonly certificate: string; readonly key: string };

export type Ready = {
  /** What has to lie in the run's folder beforehand. */
  readonly layOut?: (assignment: Assignment) => Promise<void>;
  readonly argv: (assignment: Assignment) => readonly string[];
  readonly environment: (assignment: Assignment) => Readonly<Record<string, string>>;
  /** The library with its version. */
  readonly version: string;
};

export type Skipped = { readonly skipped: string };

/** What a program is made ready with: a folder to compile into, and the means to run compilers. */
export type Kitchen = CompanionOptions & { readonly folder: string; readonly runner: Runner };

export type Prepare = (kitchen: Kitchen) => Promise<Ready>;

const programPath = (name: string): string => fileURLToPath(new URL(`./programs/${name}`, import.meta.url));

/** A language that is not installed. */
class Missing extends Error {}

const interpreter = async (name: string, { environment }: Kitchen): Promise<string> => {
  for (const folder of (environment['PATH'] ?? '').split(':').filter((each) => each.startsWith('/'))) {
    try {
      await access(`${folder}/${name}`, constants.X_OK);
      return `${folder}/${name}`;
    } catch (error) {
      if (!['ENOENT', 'EACCES', 'ENOTDIR'].includes(codeOf(error) ?? '')) throw error;
    }
  }
  throw new Missing(`${name} is not installed`);
};

export const common = (assignment: Assignment): Readonly<Record<string, string>> => {
  const { endpoint, authorityPath, run, paceMs } = assignment;
  return {
    DB_HOST: endpoint.host,
    DB_PORT: String(endpoint.port),
    DB_USER: endpoint.user,
    DB_PASSWORD: endpoint.password,
    DB_NAME: endpoint.database,
    DB_CA: authorityPath,
    RUN: String(run),
    PACE_MS: String(paceMs),
    STOP_FILE: stopFile(assignment),
    ...(assignment.hosts === undefined ? {} : { DB_HOSTS: assignment.hosts }),
  };
};

/** A program that is told everything in its environment. */
const told = (version: string, argv: readonly string[], more: Readonly<Record<string, string>> = {}): Ready => ({
  argv: () => argv,
  environment: (assignment) => ({ ...common(assignment), ...more }),
  version,
});

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? '';

const commandLine: Prepare = async (kitchen) => {
  const programs = await findPrograms(['mariadb'], kitchen);
  const path = programs.path('mariadb');
  if (path === undefined) throw new Missing('the mariadb command line client is not installed');
  const { environment } = programs;
  const version = firstLine(await runnerFor(programs, kitchen.environment).run([path, '--version']));
  return told(version, [process.execPath, programPath('mariadb-cli.mjs')], {
    MARIADB: path,
    ...(environment['LD_LIBRARY_PATH'] === undefined ? {} : { LD_LIBRARY_PATH: environment['LD_LIBRARY_PATH'] }),
  });
};

/** Read from its folder: not every package hands out its own description. */
const packageVersion = async (library: string): Promise<string> => {
  try {
    const folder = dirname(fileURLToPath(import.meta.resolve(library)));
    const text = await readFile(
      `${folder.slice(0, folder.indexOf(`node_modules/${library}`))}node_modules/${library}/package.json`,
      'utf8',
    );
    return /"version": "([^"]+)"/.exec(text)?.[1] ?? '';
  } catch (error) {
    if (!['ERR_MODULE_NOT_FOUND', 'ENOENT'].includes(codeOf(error) ?? '')) throw error;
    throw new Missing(`the package ${library} is not installed; it comes with npm install unless --omit=dev is given`);
  }
};

export const prepareNode = async (library: string, program: string): Promise<Ready> =>
  told(`${library} ${await packageVersion(library)}`, [process.execPath, program]);

const sysbench: Prepare = async (kitchen) => {
  const found = await findCompanion('sysbench', kitchen);
  const version = firstLine(await runnerOf(found, kitchen).run([found.files[0], '--version']));
  return {
    layOut: ({ folder, authorityPath, certificate }) => layOutSysbench(folder, authorityPath, certificate),
    argv: (assignment) => [
      ...sysbenchArgv(found, assignment.endpoint, assignment.folder),
      ...['--mysql-ignore-errors=1213', '--threads=1', '--time=0', '--events=0'],
      ...[programPath('kill_test.lua'), `--run=${assignment.run}`, `--pace-ms=${assignment.paceMs}`],
      ...[`--stop-file=${stopFile(assignment)}`, 'run'],
    ],
    environment: () => sysbenchEnvironment(found),
    version: `${version}, libmariadb`,
  };
};

/** The files that sysbench 1.0 wants to find in its working folder when it is told to use TLS; it has no options for them. */
export const layOutSysbench = async (
  folder: string,
  authorityPath: string,
  { certificate, key }: CertificatePaths,
): Promise<void> => {
  await copyFile(authorityPath, `${folder}/cacert.pem`);
  await copyFile(certificate, `${folder}/client-cert.pem`);
  await copyFile(key, `${folder}/client-key.pem`);
};

/** sysbench with TLS towards an endpoint, run in the folder that was laid out for it. */
export const sysbenchArgv = (sysbench: FoundCompanion, endpoint: Endpoint, folder: string): readonly string[] => [
  ...['env', '-C', folder, sysbench.files[0], '--db-driver=mysql', '--mysql-ssl=on', `--mysql-host=${endpoint.host}`],
  ...[`--mysql-port=${endpoint.port}`, `--mysql-user=${endpoint.user}`, `--mysql-password=${endpoint.password}`],
  `--mysql-db=${endpoint.database}`,
];

/** With where it looks for its own modules, also when it was unpacked. */
export const sysbenchEnvironment = ({ files: [program], environment }: FoundCompanion) => ({
  ...environment,
  LUA_PATH: `${dirname(dirname(program))}/share/sysbench/?.lua;;`,
});

const runnerOf = (found: FoundCompanion, kitchen: Kitchen): Runner =>
  runnerFor({ path: () => undefined, environment: found.environment }, kitchen.environment);

/** A program compiled into the kitchen's folder, and what runs it with the library beside it. */
export const compileJava = async (kitchen: Kitchen, source: string) => {
  const [run, compile] = [await interpreter('java', kitchen), await interpreter('javac', kitchen)];
  const found = await findCompanion('connector-j', kitchen);
  const [jar] = found.files;
  await kitchen.runner.run([compile, '-cp', jar, '-d', kitchen.folder, source], { deadlineMs: 60_000 });
  // As small as a JVM gets: several run beside three databases.
  const options = ['-XX:+UseSerialGC', '-Xmx64m', '-XX:TieredStopAtLevel=1'];
  return {
    argv: [run, ...options, '-cp', `${jar}:${kitchen.folder}`],
    version: `MariaDB Connector/J ${await jarVersion(jar)}`,
  };
};

const java: Prepare = async (kitchen) => {
  const { argv, version } = await compileJava(kitchen, programPath('KillTest.java'));
  return {
    argv: () => [...argv, 'KillTest'],
    environment: (assignment) => ({ ...common(assignment), DB_URL: jdbcUrl(assignment) }),
    version: `${version}, its own pool`,
  };
};

/** Debian names the version in a link beside it. */
const jarVersion = async (jar: string): Promise<string> => {
  const names = await readdir(dirname(jar));
  return (
    names.map((name) => /^mariadb-java-client-([\d.]+)\.jar$/.exec(name)?.[1]).find((found) => found !== undefined) ??
    ''
  );
};

const jdbcUrl = ({ endpoint, authorityPath }: Assignment): string =>
  `jdbc:mariadb://${endpoint.host}:${endpoint.port}/${endpoint.database}?user=${endpoint.user}&password=${endpoint.password}` +
  `&useSsl=true&serverSslCert=${authorityPath}&maxPoolSize=3&minPoolSize=1`;

export const preparePython = async (kitchen: Kitchen, program: string): Promise<Ready> => {
  const python = await interpreter('python3', kitchen);
  const found = await findCompanion('pymysql', kitchen);
  const environment = found.root === '' ? {} : { PYTHONPATH: dirname(dirname(found.files[0])) };
  const version = await runnerFor({ path: () => undefined, environment }, kitchen.environment).run([
    python,
    '-c',
    'import pymysql, sys; print("PyMySQL", pymysql.__version__, "Python", sys.version.split()[0])',
  ]);
  return told(version.trim(), [python, program], environment);
};

const libmariadb: Prepare = async (kitchen) => {
  const compiler = await interpreter('gcc', kitchen);
  const found = await findCompanion('libmariadb', kitchen);
  const [header, library] = found.files;
  const program = `${kitchen.folder}/libmariadb`;
  const libraries = `-L${dirname(library ?? '')}`;
  // The linker wants to see every library; those that this one needs itself are the system's.
  await kitchen.runner.run([
    compiler,
    '-O1',
    `-I${dirname(header)}`,
    '-o',
    program,
    programPath('libmariadb.c'),
    libraries,
    '-lmariadb',
    '-Wl,--allow-shlib-undefined',
  ]);
  const text = await kitchen.runner.attempt([
    'grep',
    '-h',
    'define MARIADB_PACKAGE_VERSION ',
    `${dirname(header)}/mariadb_version.h`,
  ]);
  return told(`libmariadb ${/"([^"]+)"/.exec(text.stdout)?.[1] ?? ''}`, [program], found.environment);
};

const perl: Prepare = async (kitchen) => {
  const program = await interpreter('perl', kitchen);
  const found = await findCompanion('dbd-mariadb', kitchen);
  const environment = {
    ...found.environment,
    ...(found.root === '' ? {} : { PERL5LIB: dirname(found.files[1] ?? '') }),
  };
  const version = await runnerFor({ path: () => undefined, environment }, kitchen.environment).run([
    program,
    '-MDBD::MariaDB',
    '-e',
    'print "DBD::MariaDB $DBD::MariaDB::VERSION, DBI $DBI::VERSION, Perl $^V"',
  ]);
  return told(version.trim(), [program, programPath('dbd_mariadb.pl')], environment);
};

const php: Prepare = async (kitchen) => {
  const found = await findCompanion('php-mysqli', kitchen);
  const [program, mysqli = '', driver = ''] = found.files;
  // Without its option files, which are made when the packages are installed.
  const argv = [program, '-n', '-d', `extension=${driver}`, '-d', `extension=${mysqli}`];
  const version = await runnerOf(found, kitchen).run([
    ...argv,
    '-r',
    'echo "PHP mysqli ", PHP_VERSION, ", ", mysqli_get_client_info();',
  ]);
  return told(version.trim(), [...argv, programPath('mysqli.php')], found.environment);
};

/** In the order in which they are run. */
export const foreignClients = {
  'mariadb-cli': commandLine,
  sysbench,
  mysql2: () => prepareNode('mysql2', programPath('mysql2.mjs')),
  'mariadb-connector': () => prepareNode('mariadb', programPath('mariadb-connector.mjs')),
  java,
  python: (kitchen) => preparePython(kitchen, programPath('pymysql_client.py')),
  c: libmariadb,
  perl,
  php,
} as const satisfies Readonly<Record<string, Prepare>>;

export type ForeignClientName = keyof typeof foreignClients;

/** Makes a client's program ready, with a folder of its own to compile into; or says why it cannot be run here. */
export const prepareForeign = (name: ForeignClientName, folder: string, options: CompanionOptions) =>
  prepareWith(foreignClients[name], folder, options);

export const prepareWith = async (
  prepare: Prepare,
  folder: string,
  options: CompanionOptions,
): Promise<Ready | Skipped> => {
  const runner = runnerFor({ path: () => undefined, environment: {} }, options.environment);
  try {
    return await prepare({ ...options, folder, runner });
  } catch (error) {
    options.signal?.throwIfAborted();
    const absent = ['PROGRAM_MISSING', 'PACKAGES_UNREACHABLE', 'PROGRAM_FAILED'].includes(codeOf(error) ?? '');
    if (error instanceof Missing || absent) return { skipped: reasonOf(error) };
    throw error;
  }
};
