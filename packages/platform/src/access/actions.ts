/**
 * Everything that can be asked for, in one table: how grave it is, what it touches, and which roles may ask for it. What is not in the
 * table is refused. A route, a command or a step of a plan names one of these.
 */
import type { Role } from './subject.ts';

/** `C0` observe, `C1` reversible, `C2` disruptive, `C3` may lose data. */
export const actionClasses = ['C0', 'C1', 'C2', 'C3'] as const;
export type ActionClass = (typeof actionClasses)[number];

/** `self`: one's own sessions, devices and factors. */
export type Touches = 'estate' | 'databases' | 'plans' | 'access' | 'audit' | 'self';

export type ActionRule = {
  readonly class: ActionClass;
  readonly touches: Touches;
  readonly roles: readonly Role[];
  /** A read of every day: counted, not chained. */
  readonly routine: boolean;
  /** Whether a service account may. */
  readonly services: boolean;
};

const lookers: readonly Role[] = ['viewer', 'operator', 'approver', 'auditor'];
const attendants: readonly Role[] = ['operator', 'approver'];

const look: ActionRule = { class: 'C0', touches: 'estate', roles: lookers, routine: true, services: true };
const attend: ActionRule = { ...look, roles: attendants, routine: false };
const reversible: ActionRule = {
  ...{ class: 'C1', touches: 'databases', roles: ['operator'], routine: false, services: false },
};
const disruptive: ActionRule = { ...reversible, class: 'C2' };
const dangerous: ActionRule = { ...reversible, class: 'C3' };
const administer: ActionRule = { ...reversible, touches: 'access', roles: ['security-admin'] };
const own: ActionRule = { class: 'C0', touches: 'self', roles: [], routine: false, services: false };

export const actions = {
  'estate.read': look,
  'incident.read': look,
  'signal.read': look,
  'change.read': look,
  'alert.read': look,
  'rule.read': look,
  'platform.read': { ...look, roles: [...lookers, 'security-admin'] },
  /** A copy of the platform's own database, left where it lies. */
  'platform.backup': { ...attend, roles: ['operator'] },
  'incident.acknowledge': attend,
  'incident.assign': attend,
  'incident.comment': attend,
  'incident.confirm': attend,
  'incident.resolve': attend,
  /** Up to an hour. */
  'silence.put': attend,
  'silence.end': attend,
  'silence.put-long': { ...reversible, touches: 'estate', roles: attendants },
  /** Values in statements and log lines as they were written. */
  'literal.reveal': { ...reversible, touches: 'estate', roles: ['operator', 'approver', 'auditor'] },
  'diagnostics.collect': { ...reversible, touches: 'estate' },

  'query.kill': reversible,
  'connection.kill': reversible,
  'traffic.throttle': reversible,
  'gateway.drain': reversible,
  'gateway.undrain': reversible,
  'instance.desync': reversible,
  'instance.resync': reversible,
  'instance.start': disruptive,
  'instance.stop': disruptive,
  'instance.restart': disruptive,
  'instance.isolate': disruptive,
  'instance.rejoin': disruptive,
  'service.switch-over': disruptive,
  'setting.set': disruptive,
  'index.create': disruptive,
  'disk.free': disruptive,
  'backup.run': disruptive,
  'drill.run': disruptive,
  'script.run': disruptive,
  'group.force-primary': dangerous,
  'instance.reprovision': dangerous,
  'service.restore': dangerous,
  'service.promote': dangerous,
  'policy.approve': dangerous,

  'plan.read': { ...look, touches: 'plans' },
  /** Signing as the one who asks, and as the other one. */
  'plan.request': { ...attend, touches: 'plans', roles: ['operator'], services: false },
  'plan.approve': { ...attend, touches: 'plans', roles: ['approver'], services: false },
  'plan.stop': { ...attend, touches: 'plans', services: false },

  'access.read': { ...look, touches: 'access', roles: ['security-admin', 'auditor'] },
  'access.grant': administer,
  'access.revoke': administer,
  'person.enrol': administer,
  'person.revoke': administer,
  'session.revoke': administer,
  'service-account.add': administer,
  'service-account.revoke': administer,
  'break-glass.seal': administer,
  'agent.enrol': administer,

  'audit.read': { ...look, touches: 'audit', roles: ['auditor'], services: false },
  'audit.export': { ...attend, touches: 'audit', roles: ['auditor'], services: false },

  'self.read': { ...own, routine: true },
  'self.change': own,
} as const satisfies Readonly<Record<string, ActionRule>>;

export type Action = keyof typeof actions;

export const ruleOf = (action: string): ActionRule | undefined =>
  Object.hasOwn(actions, action) ? actions[action as Action] : undefined;
