/**
 * Who has to agree before a plan is carried out. What a plan says of itself is not believed: the class of a step is that of its action, and every thing
 * that a step touches has to be one that the asker looks after. Class C1 is an operator's own, with a factor that was shown just now and a
 * reason. What is graver needs signatures under the plan's digest; none are taken for plans yet, so it is refused.
 */
import { type ActionType, classOf, type Place, type Plan, type PlanStep } from '@coequal/contract';
import type { Action as AccessAction } from '../access/actions.ts';
import type { Asker } from '../access/audience.ts';
import type { Places } from '../places.ts';

export type Agreement =
  | { readonly ok: true; readonly by: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/** Whether enough people agreed to exactly this plan. */
export type Approvals = {
  /** @throws as the guard, where the asker has to show a factor or give a reason first */
  readonly check: (plan: Plan, asker: Asker) => Promise<Agreement>;
};

/** By which name access knows an action. */
export const accessOf: Readonly<Record<ActionType, AccessAction>> = {
  'instance-start': 'instance.start',
  'instance-stop': 'instance.stop',
  'instance-restart': 'instance.restart',
  'instance-isolate': 'instance.isolate',
  'instance-rejoin': 'instance.rejoin',
  'instance-reprovision': 'instance.reprovision',
  'instance-desync': 'instance.desync',
  'instance-resync': 'instance.resync',
  'gateway-drain': 'gateway.drain',
  'gateway-undrain': 'gateway.undrain',
  'query-kill': 'query.kill',
  'session-kill': 'connection.kill',
  'setting-set': 'setting.set',
  'diagnostics-collect': 'diagnostics.collect',
  'script-run': 'script.run',
};

export const makeApprovals = (places: Places): Approvals => ({
  check: async (plan, asker) => {
    const { steps } = plan;
    if (steps.some(({ action, class: said }) => said !== classOf[action.type]))
      return { ok: false, reason: 'a step is of another class than its action' };
    const grave = steps.find((step) => step.class !== 'C1');
    if (grave !== undefined)
      return {
        ok: false,
        reason: `${grave.action.type} is of class ${grave.class}: it needs signatures under the plan, and none are taken for plans yet`,
      };
    const seen = [plan.place, ...steps.flatMap((step) => placesOf(step, places))];
    if (!asker.seesAll && !seen.every((place) => place !== undefined && asker.sees(place)))
      return { ok: false, reason: 'it touches what you do not look after' };
    for (const action of new Set(steps.map((step) => accessOf[step.action.type]))) await asker.need(action);
    return { ok: true, by: [asker.name()] };
  },
});

/** Undefined: of something that the estate does not know, which is in the reach of who has all. */
const placesOf = ({ action }: PlanStep, places: Places): readonly (Place | undefined)[] => {
  const gateway = 'gateway' in action ? [places.gateway(action.gateway)] : [];
  const instance = 'instance' in action && action.instance !== undefined ? [places.instance(action.instance)] : [];
  const all = [...gateway, ...instance];
  return all.length === 0 ? [undefined] : all;
};
