/** For tests that know that something is there: the value, or a failing test. */
export const must = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('The test expected something here.');
  return value;
};
