/** Where programs and seeds are kept between runs, for the product and its tests alike. Pure. */

/** COEQUAL_HOME overrides; root uses the system's cache, everybody else their own. */
export const cacheFolderOf = (environment: Readonly<Record<string, string | undefined>>, userId: number): string => {
  const home = environment['COEQUAL_HOME'];
  if (home !== undefined && home !== '') return `${home}/cache`;
  if (userId === 0) return '/var/cache/coequal';
  return `${environment['XDG_CACHE_HOME'] || `${environment['HOME'] ?? ''}/.cache`}/coequal`;
};
