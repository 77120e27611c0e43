/** The distance between two profiles: how far their features differ on average, each counted up to a cap. */

/** A signal that is gone altogether must not outvote all others. */
export const distanceCap = 2;

/** Rows of one length, features in logarithmic units. 0 to `distanceCap`. */
export const distanceOf = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let place = 0; place < a.length; place += 1) {
    const apart = Math.abs((a[place] ?? 0) - (b[place] ?? 0));
    sum += Math.min(apart, distanceCap);
  }
  return a.length === 0 ? 0 : sum / a.length;
};
