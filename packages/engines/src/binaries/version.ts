/**
 * Which versions of MariaDB will do. The line is drawn by `innodb_snapshot_isolation`, without which concurrent
 * updates overwrite each other silently; it came to the maintained series in August 2024 and earlier.
 */

export type Version = { readonly major: number; readonly minor: number; readonly patch: number };

/** First patch release of each series that knows the setting. Series from 11.5 on know it from the start. */
const firstPatch: Readonly<Record<string, number>> = {
  '10.6': 18,
  '10.11': 8,
  '11.0': 6,
  '11.1': 5,
  '11.2': 4,
  '11.4': 2,
};

/** From the output of `mariadbd --version`; undefined when it is no MariaDB (MySQL answers in the same words). */
export const parseServerVersion = (output: string): string | undefined =>
  /\bVer (\d+\.\d+\.\d+)-MariaDB\b/.exec(output)?.[1];

/** From the bytes of libgalera_smm.so, which carries `4.23(r…)` or `26.4.23(r…)`; undefined when it does not. */
export const parseGaleraVersion = (library: string): string | undefined => {
  const release = /(?<![\d.])(?:26\.)?4\.(\d{1,3})\(r\w*\)/.exec(library)?.[1];
  return release === undefined ? undefined : `26.4.${release}`;
};

/** Why a version of MariaDB will not do, or undefined when it will. */
export const serverVersionProblem = (text: string): string | undefined => {
  const version = parseVersion(text);
  if (version === undefined) return `"${text}" is not a version`;
  if (version.major > 11 || (version.major === 11 && version.minor >= 5)) return undefined;
  const first = firstPatch[`${version.major}.${version.minor}`];
  if (first !== undefined && version.patch >= first) return undefined;
  return `MariaDB ${text} cannot keep concurrent updates from overwriting each other (${usableVersions} can)`;
};

const usableVersions = 'MariaDB 10.6.18, 10.11.8, 11.4.2 and later ones of these series, or 11.5 and later';

const parseVersion = (text: string): Version | undefined => {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]) };
};
