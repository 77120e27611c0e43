/** From an action to what is done for it. What is not of this host, or not allowed here, is refused before anything is looked at. */
import type { Action, ActionType } from '@coequal/contract';
import { fail } from '@coequal/kernel';
import type { Doing } from './doing.ts';
import { diagnosticsCollect } from './doings/diagnostics.ts';
import { gatewayDrain } from './doings/gateway.ts';
import { instanceDoing } from './doings/instance.ts';
import { scriptRun } from './doings/script.ts';
import { queryKill, sessionKill } from './doings/session.ts';
import { settingSet } from './doings/setting.ts';
import type { GatewayHands, HandsPorts, InstanceHands, Script } from './ports.ts';

/** @throws ACTION_REFUSED */
export const doingOf = (one: Action, ports: HandsPorts, allowed: ReadonlySet<ActionType>): Doing => {
  if (!allowed.has(one.type)) throw refused(`${one.type} is not among what this agent may do`);
  switch (one.type) {
    case 'query-kill':
      return queryKill(one, instanceOf(ports, one.instance));
    case 'session-kill':
      return sessionKill(one, instanceOf(ports, one.instance));
    case 'setting-set':
      return settingSet(one, instanceOf(ports, one.instance));
    case 'diagnostics-collect':
      return diagnosticsCollect(one, instanceOf(ports, one.instance), ports.keep);
    case 'gateway-drain':
    case 'gateway-undrain':
      return gatewayDrain(one, gatewayOf(ports, one.gateway));
    case 'script-run':
      return scriptRun(one, scriptOf(ports, one.script), ports.scripts);
    default:
      return instanceDoing(one, { hands: instanceOf(ports, one.instance), holds: ports.holds });
  }
};

const instanceOf = ({ instance }: HandsPorts, name: string): InstanceHands => {
  const found = instance(name);
  if (found === undefined) throw refused(`there is no instance ${name} on this host`);
  return found;
};

const gatewayOf = ({ gateway }: HandsPorts, name: string): GatewayHands => {
  const found = gateway(name);
  if (found === undefined) throw refused(`there is no gateway ${name} on this host`);
  return found;
};

const scriptOf = ({ scripts }: HandsPorts, name: string): Script => {
  const found = scripts.find(name);
  if (found === undefined) throw refused(`there is no script ${name} in the manifest of this host`);
  return found;
};

const refused = (reason: string) => fail('ACTION_REFUSED', { reason });
