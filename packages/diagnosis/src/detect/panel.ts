/**
 * Several indicators of one entity watched together: alarming when two of them leave their course at once, or one does beyond
 * doubt. A single one that strays for a moment is healthy operation; a fault moves more than one figure, or one very far.
 */
import type { Drift } from './drift.ts';

export type Drifting = Drift & { readonly indicator: string };

export type PanelState = {
  /** Indicators that drift, the strongest first. */
  readonly drifting: readonly Drifting[];
  readonly alarming: boolean;
};

/** Told what the drift detectors of an entity say of a moment. */
export type Panel = (drifts: readonly Drifting[]) => PanelState;

/** From this strength on one indicator is enough. */
const beyondDoubt = 2;

export const makePanel = (): Panel => {
  let alarming = false;
  return (drifts) => {
    const drifting = drifts.filter((drift) => drift.drifting).sort((a, b) => b.strength - a.strength);
    const [first, second] = drifting;
    // Once alarming it stays so until the last one is back.
    alarming = alarming ? first !== undefined : second !== undefined || (first?.strength ?? 0) >= beyondDoubt;
    return { drifting, alarming };
  };
};
