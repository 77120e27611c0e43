/**
 * Companions: programs and client libraries of others that benches and kill tests run beside ours. No lab and no
 * database needs them, so none is fetched before somebody asks for it, each into a set of its own. Pure: names and
 * places in tables. Interpreters and compilers (java, gcc, perl, python3) are not among them: a language that a
 * machine does not have is skipped and said.
 */
import type { PackageChoice } from './catalog.ts';

export type CompanionName =
  | 'alertmanager'
  | 'connector-j'
  | 'dbd-mariadb'
  | 'dnsmasq'
  | 'haproxy'
  | 'keepalived'
  | 'libmariadb'
  | 'mysqld-exporter'
  | 'node-exporter'
  | 'php-mysqli'
  | 'postgres-exporter'
  | 'postgresql'
  | 'prometheus'
  | 'pymysql'
  | 'redis'
  | 'slapd'
  | 'softhsm'
  | 'sysbench'
  | 'victoria-metrics';

export type Companion = {
  /** Fetched together with what they depend on. */
  readonly packages: readonly PackageChoice[];
  /** Fetched alone: the rest of what they depend on is a language that is installed, or not used here. */
  readonly alone: readonly PackageChoice[];
  /** Files below a root that show it is whole, the one to use first; `*` stands for a version, `{triplet}` for the machine. */
  readonly files: readonly [string, ...string[]];
};

export const companions: Readonly<Record<CompanionName, Companion>> = {
  haproxy: { packages: [['haproxy']], alone: [], files: ['usr/sbin/haproxy'] },
  sysbench: { packages: [['sysbench']], alone: [], files: ['usr/bin/sysbench', 'usr/share/sysbench/oltp_common.lua'] },
  'victoria-metrics': {
    packages: [],
    alone: [['victoria-metrics']],
    files: ['usr/bin/victoria-metrics'],
  },
  slapd: {
    packages: [],
    alone: [['slapd'], ['libldap-2.5-0', 'libldap2'], ['libodbc2'], ['libltdl7'], ['libsasl2-2'], ['libwrap0']],
    files: ['usr/sbin/slapd', 'usr/lib/ldap/back_mdb.so', 'etc/ldap/schema/core.schema'],
  },
  softhsm: {
    packages: [],
    alone: [['softhsm2'], ['libsofthsm2'], ['opensc'], ['opensc-pkcs11']],
    files: ['usr/bin/pkcs11-tool', 'usr/bin/softhsm2-util', 'usr/lib/softhsm/libsofthsm2.so'],
  },
  // The references that rule evaluation and notifications are compared with.
  prometheus: { packages: [], alone: [['prometheus']], files: ['usr/bin/promtool'] },
  alertmanager: {
    packages: [],
    alone: [['prometheus-alertmanager']],
    files: ['usr/bin/prometheus-alertmanager', 'usr/bin/amtool'],
  },
  dnsmasq: { packages: [['dnsmasq-base']], alone: [], files: ['usr/sbin/dnsmasq'] },
  'node-exporter': {
    packages: [],
    alone: [['prometheus-node-exporter']],
    files: ['usr/bin/prometheus-node-exporter'],
  },
  'mysqld-exporter': {
    packages: [],
    alone: [['prometheus-mysqld-exporter']],
    files: ['usr/bin/prometheus-mysqld-exporter'],
  },
  'postgres-exporter': {
    packages: [],
    alone: [['prometheus-postgres-exporter']],
    files: ['usr/bin/prometheus-postgres-exporter'],
  },
  postgresql: {
    // What the server links to and small systems lack. The rest of what its package depends on is for the distribution's own
    // service, and a compiler (LLVM) that the server does without.
    packages: [['libxml2'], ['libldap-2.5-0', 'libldap2'], ['libgssapi-krb5-2']],
    alone: [
      ['postgresql-15', 'postgresql-17', 'postgresql-16', 'postgresql-14'],
      ['postgresql-client-15', 'postgresql-client-17', 'postgresql-client-16', 'postgresql-client-14'],
      ['libpq5'],
    ],
    files: ['usr/lib/postgresql/*/bin/postgres', 'usr/lib/postgresql/*/bin/initdb', 'usr/lib/postgresql/*/bin/pg_ctl'],
  },
  // An engine that is none of ours, with its exporter.
  redis: {
    packages: [['redis-server']],
    alone: [['prometheus-redis-exporter']],
    files: ['usr/bin/prometheus-redis-exporter', 'usr/bin/redis-server'],
  },
  keepalived: { packages: [['keepalived']], alone: [], files: ['usr/sbin/keepalived'] },
  'connector-j': {
    packages: [],
    alone: [['libmariadb-java']],
    files: ['usr/share/java/mariadb-java-client.jar'],
  },
  pymysql: {
    packages: [],
    alone: [['python3-pymysql']],
    files: ['usr/lib/python3/dist-packages/pymysql/__init__.py'],
  },
  'dbd-mariadb': {
    packages: [],
    alone: [['libdbd-mariadb-perl'], ['libdbi-perl'], ['libmariadb3']],
    files: ['usr/lib/{triplet}/perl5/*/DBD/MariaDB.pm', 'usr/lib/{triplet}/perl5/*/DBI.pm'],
  },
  'php-mysqli': {
    packages: [['php-cli'], ['php-mysql']],
    alone: [],
    files: ['usr/bin/php[0-9]*', 'usr/lib/php/*/mysqli.so', 'usr/lib/php/*/mysqlnd.so'],
  },
  libmariadb: {
    packages: [],
    alone: [['libmariadb-dev'], ['libmariadb3']],
    files: ['usr/include/mariadb/mysql.h', 'usr/lib/{triplet}/libmariadb.so', 'usr/lib/{triplet}/libmariadb.so.3'],
  },
};

export const patternOf = (file: string, triplet: string): string => file.replace('{triplet}', triplet);

/** The usual names of a companion's packages, for a person to install. */
export const companionPackages = (name: CompanionName): readonly string[] =>
  [...companions[name].packages, ...companions[name].alone].map(([usual]) => usual);
