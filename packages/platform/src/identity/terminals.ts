/**
 * How a terminal gets a session (after RFC 8628): it shows an address and a code, a person looks at both in a browser and signs with a
 * passkey that this terminal may come in, and the terminal, which asks meanwhile, gets a token. The token is made when it is fetched.
 */
import { fail } from '@coequal/kernel';
import type { PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/server';
import type { Attempts } from './attempts.ts';
import { identityLimits } from './limits.ts';
import type { Question } from './passkeys.ts';
import { actorOf, type IdentityPorts } from './ports.ts';
import { mustBeFresh } from './proof.ts';
import type { Live, Sessions } from './sessions.ts';
import type { Answer } from './sign-in.ts';
import { askToSign, takeSignature } from './signatures.ts';
import type { Device, Terminal } from './store.ts';
import { hashOf, hashOfCode, newCode, newId, newToken } from './values.ts';

export type TerminalAsked = { readonly deviceCode: string; readonly userCode: string; readonly endsMs: number };

export type TerminalAnswer =
  | { readonly state: 'waiting' | 'denied' }
  | { readonly state: 'approved'; readonly token: string; readonly name: string; readonly endsMs: number };

export class Terminals {
  readonly #ports: IdentityPorts;
  readonly #sessions: Sessions;
  readonly #attempts: Attempts;

  constructor(ports: IdentityPorts, sessions: Sessions, attempts: Attempts) {
    this.#ports = ports;
    this.#sessions = sessions;
    this.#attempts = attempts;
  }

  /** @param client what the terminal says of itself: shown to whoever lets it in. @throws IDENTITY_FULL */
  ask(client: string, source: string): TerminalAsked {
    const { store, clock } = this.#ports;
    const { terminal } = identityLimits;
    const full =
      store.terminals.count(clock.now()) >= terminal.open ||
      store.terminals.count(clock.now(), source) >= terminal.ofSource;
    if (full)
      throw fail('IDENTITY_FULL', {
        what: 'terminals that wait',
        most: terminal.open,
        advice: 'Wait for ten minutes.',
      });
    const [deviceCode, userCode] = [newToken(), newCode(8)];
    const endsMs = clock.now() + terminal.openMs;
    store.terminals.add({
      ...{ id: newId('terminal'), deviceHash: hashOf(deviceCode), userHash: hashOfCode(userCode), client, source },
      ...{ state: 'waiting', person: null, bound: false, factorMs: 0, endsMs },
    });
    return { deviceCode, userCode, endsMs };
  }

  /** Who waits under a code; whoever lets it in compares. @throws CODE_REFUSED, SIGN_IN_BLOCKED */
  look(live: Live, userCode: string, source: string): Pick<Terminal, 'client' | 'source'> {
    const { client, source: from } = this.#waiting(live, userCode, source);
    return { client, source: from };
  }

  askToApprove(live: Live, userCode: string, source: string): Promise<Question<PublicKeyCredentialRequestOptionsJSON>> {
    return askToSign(this.#ports, live, 'terminal', documentOf(this.#waiting(live, userCode, source)));
  }

  /** @throws PASSKEY_REFUSED, CODE_REFUSED */
  async approve(live: Live, userCode: string, source: string, answer: Answer): Promise<void> {
    const terminal = this.#waiting(live, userCode, source);
    const signed = await takeSignature(this.#ports, live, 'terminal', documentOf(terminal), answer);
    await this.#decide(live, terminal, 'approved', signed.bound);
  }

  async deny(live: Live, userCode: string, source: string): Promise<void> {
    await this.#decide(live, this.#waiting(live, userCode, source), 'denied', false);
  }

  /** Answers a token once. @throws CODE_REFUSED */
  async take(deviceCode: string): Promise<TerminalAnswer> {
    const { store, clock } = this.#ports;
    const terminal = store.terminals.byDevice(hashOf(deviceCode));
    if (terminal === undefined || terminal.endsMs <= clock.now() || terminal.state === 'taken')
      throw fail('CODE_REFUSED', {});
    if (terminal.state !== 'approved') return { state: terminal.state };
    const person = terminal.person === null ? undefined : store.people.get(terminal.person);
    if (person === undefined || person.revokedMs !== null || !store.terminals.take(terminal.id, clock.now()))
      throw fail('CODE_REFUSED', {});
    const device: Device = {
      // A terminal has no browser that could show a token of the device: its own token is all it has.
      ...{ id: newId('device'), person: person.id, name: `Terminal ${terminal.client}`, tokenHash: hashOf(newToken()) },
      ...{ madeMs: clock.now(), seenMs: clock.now(), revokedMs: null },
    };
    const details = { factor: 'passkey', source: terminal.source, kind: 'terminal' };
    await this.#ports.note(actorOf(person), 'identity.sign-in', `person ${person.name}`, 'done', details);
    store.devices.add(device);
    const { token, session } = this.#sessions.open({
      ...{ person, device, factor: 'passkey', factorMs: terminal.factorMs, bound: terminal.bound },
      ...{ kind: 'terminal', source: terminal.source },
    });
    return { state: 'approved', token, name: person.name, endsMs: session.endsMs };
  }

  async #decide(live: Live, terminal: Terminal, state: 'approved' | 'denied', bound: boolean): Promise<void> {
    const { store, clock, note } = this.#ports;
    const details = { client: terminal.client, source: terminal.source, state };
    await note(actorOf(live.person), 'identity.terminal', terminal.id, 'done', details);
    if (!store.terminals.decide(terminal.id, state, live.person.id, bound, clock.now())) throw fail('CODE_REFUSED', {});
  }

  #waiting(live: Live, userCode: string, source: string): Terminal {
    mustBeFresh(this.#ports, live, ['passkey']);
    const { store, clock } = this.#ports;
    const attempt = { source, account: `terminal ${live.person.name}`, known: true };
    if (this.#attempts.blocked(attempt, clock.now()) !== undefined) throw fail('SIGN_IN_BLOCKED', {});
    const found = store.terminals.byUser(hashOfCode(userCode));
    if (found !== undefined && found.state === 'waiting' && found.endsMs > clock.now()) return found;
    this.#attempts.failed(attempt, clock.now());
    throw fail('CODE_REFUSED', {});
  }
}

const documentOf = ({ id, client, source, endsMs }: Terminal): object => ({ terminal: id, client, source, endsMs });
