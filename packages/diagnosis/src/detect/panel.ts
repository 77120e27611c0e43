/**
 * Several indicators of one entity watched together: alarming when two of them leave their course at once, or one does beyond
 * doubt. A single one that strays for a moment is healthy operation; a fault moves more than one figure, or one very far.
 */
import { type Drift, type DriftDetector, type DriftOptions, makeDriftDetector } from './drift.ts';

export type PanelState = {
  /** Indicators that drift, the strongest first. */
  readonly drifting: readonly (Drift & { readonly indicator: string })[];
  readonly alarming: boolean;
};

export type DriftPanel = {
  /** @param values by indicator; one that is missing was not measured */
  readonly observe: (values: Readonly<Record<string, number>>, slot?: number) => PanelState;
};

/** From this strength on one indicator is enough. */
const beyondDoubt = 2;

/** Indicators with what is known of each: its smallest deviation that matters, and which way is worse. */
export const makeDriftPanel = (indicators: Readonly<Record<string, DriftOptions>>): DriftPanel => {
  const detectors = Object.entries(indicators).map(([indicator, options]): [string, DriftDetector] => [
    indicator,
    makeDriftDetector(options),
  ]);
  let alarming = false;
  return {
    observe: (values, slot) => {
      const drifting = detectors
        .map(([indicator, detector]) => ({ ...detector.observe(values[indicator] ?? Number.NaN, slot), indicator }))
        .filter((drift) => drift.drifting)
        .sort((a, b) => b.strength - a.strength);
      const [first, second] = drifting;
      // Once alarming it stays so until the last one is back.
      alarming = alarming ? first !== undefined : second !== undefined || (first?.strength ?? 0) >= beyondDoubt;
      return { drifting, alarming };
    },
  };
};
