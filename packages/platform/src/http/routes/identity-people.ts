/** What a security-admin does about others, and terminals that ask to come in. */
import {
  displayName,
  enrolmentLink,
  passkeyAnswer,
  passkeyQuestion,
  personGrant,
  personName,
  personPage,
  reEnrolment,
  terminalAnswer,
  terminalAsked,
} from '@coequal/contract';
import { z } from 'zod';
import type { Identity } from '../../identity/identity.ts';
import { identityLimits } from '../../identity/limits.ts';
import type { PersonView } from '../../identity/people.ts';
import type { Route } from '../route.ts';
import { questionOf, scopeOf } from './identity.ts';
import { makeRoute } from './identity-route.ts';

const at = '/api/v1/identity';
const one = z.object({ person: z.string().min(1).max(100) });
const grants = z.array(personGrant).min(1).max(identityLimits.grants);

export const makePeopleRoutes = (identity: Identity): readonly Route[] => {
  const { people } = identity;
  const { somebody } = makeRoute(identity);
  const linkOf = (name: string, code: string) => ({
    ...{ name, code },
    // Behind the `#` it reaches no log of a server or a proxy.
    url: `${identity.names.origin}/identity/enrol#${code}`,
  });
  return [
    somebody({
      ...{
        method: 'GET',
        path: `${at}/people`,
        access: { action: 'access.read', at: 'all' },
        summary: 'People, what they may do, and how they come in.',
      },
      output: personPage,
      handle: async (live) => ({ value: { items: people.listFor(live).map(shown), next: null } }),
    }),
    somebody({
      ...{
        method: 'POST',
        path: `${at}/people`,
        access: { action: 'person.enrol', at: 'all' },
        summary: 'Adds a person; the answer is the way in, good once.',
      },
      body: z.strictObject({ name: personName, display: displayName.optional(), grants }),
      output: enrolmentLink,
      handle: async (live, { body }) => {
        const { name, display = name } = body;
        const { code } = await people.add(live, { name, display, grants: body.grants });
        return { value: linkOf(name, code) };
      },
    }),
    somebody({
      ...{
        method: 'POST',
        path: `${at}/people/:person/enrol`,
        access: { action: 'person.enrol', at: 'all' },
        summary: 'A new way in for somebody who never came.',
      },
      ...{ params: one, output: enrolmentLink },
      handle: async (live, { params }) => {
        const person = people.named(params.person);
        return { value: linkOf(person.name, await people.invite(live, person)) };
      },
    }),
    somebody({
      ...{
        method: 'POST',
        path: `${at}/people/:person/revoke`,
        access: { action: 'person.revoke', at: 'all' },
        summary: 'Revokes a person with all they have.',
      },
      params: one,
      handle: async (live, { params }) => {
        await people.revoke(live, people.named(params.person));
        return { value: undefined };
      },
    }),
    somebody({
      ...{
        method: 'PUT',
        path: `${at}/people/:person/grants`,
        access: { action: 'access.grant', at: 'all' },
        summary: 'What a person may do from now on.',
      },
      ...{ params: one, body: z.strictObject({ grants }) },
      handle: async (live, { params, body }) => {
        await people.give(live, people.named(params.person), body.grants);
        return { value: undefined };
      },
    }),
    somebody({
      ...{
        method: 'POST',
        path: `${at}/people/:person/re-enrol`,
        access: { action: 'person.enrol', at: 'all' },
        summary: 'For who lost everything: half of a code.',
      },
      ...{ params: one, output: reEnrolment },
      handle: async (live, { params }) => ({ value: await people.askAnew(live, people.named(params.person)) }),
    }),
    somebody({
      ...{
        method: 'POST',
        path: `${at}/re-enrolments/:id/ask`,
        access: { action: 'person.enrol', at: 'all' },
        summary: 'What the second one signs.',
      },
      ...{ params: z.object({ id: z.string().max(100) }), output: passkeyQuestion },
      handle: async (live, { params }) => ({ value: await questionOf(people.askToAgree(live, params.id)) }),
    }),
    somebody({
      ...{
        method: 'POST',
        path: `${at}/re-enrolments/:id`,
        access: { action: 'person.enrol', at: 'all' },
        summary: 'Signed by the second one: the other half.',
      },
      ...{ params: z.object({ id: z.string().max(100) }), body: passkeyAnswer, output: reEnrolment },
      handle: async (live, { params, body }) => ({
        value: { id: params.id, half: await people.agree(live, params.id, body) },
      }),
    }),
    ...terminals(identity),
  ];
};

const userCode = z.string().min(1).max(40);

const terminals = (identity: Identity): readonly Route[] => {
  const { anyone, somebody } = makeRoute(identity);
  const under = `${at}/terminals`;
  return [
    anyone({
      ...{ method: 'POST', path: under, summary: 'A terminal asks to come in: a code to show, one to keep.' },
      body: z.strictObject({ client: displayName }),
      output: terminalAsked,
      handle: async ({ body, source }) => ({
        value: {
          ...identity.terminals.ask(body.client, source),
          ...{ url: `${identity.names.origin}/identity/terminal`, everySeconds: identityLimits.terminal.pollSeconds },
        },
      }),
    }),
    anyone({
      ...{ method: 'POST', path: `${under}/token`, summary: 'Whether it was let in; its token, once.' },
      body: z.strictObject({ deviceCode: z.string().min(1).max(100) }),
      output: terminalAnswer,
      handle: async ({ body }) => ({ value: await identity.terminals.take(body.deviceCode) }),
    }),
    somebody({
      ...{ method: 'POST', path: `${under}/ask`, summary: 'Who waits under a code, and what to sign to let it in.' },
      body: z.strictObject({ userCode }),
      output: passkeyQuestion.extend({ client: z.string(), source: z.string() }),
      handle: async (live, { body, source }) => {
        const { client, source: from } = identity.terminals.look(live, body.userCode, source);
        const question = await questionOf(identity.terminals.askToApprove(live, body.userCode, source));
        return { value: { ...question, client, source: from } };
      },
    }),
    somebody({
      ...{ method: 'POST', path: `${under}/approve`, summary: 'Signed: the terminal comes in as whoever signed.' },
      body: z.strictObject({ userCode, ...passkeyAnswer.shape }),
      handle: async (live, { body, source }) => {
        await identity.terminals.approve(live, body.userCode, source, body);
        return { value: undefined };
      },
    }),
    somebody({
      ...{ method: 'POST', path: `${under}/deny`, summary: 'It does not.' },
      body: z.strictObject({ userCode }),
      handle: async (live, { body, source }) => {
        await identity.terminals.deny(live, body.userCode, source);
        return { value: undefined };
      },
    }),
  ];
};

const shown = ({
  person,
  grants,
  passkeys,
  devices,
  sessions,
}: PersonView): z.input<typeof personPage>['items'][number] => ({
  ...{ id: person.id, name: person.name, display: person.display, source: person.source },
  ...{ madeMs: person.madeMs, revokedMs: person.revokedMs, passkeys: passkeys.length, sessions },
  grants: grants.map(({ role, services, sites }) => ({ role, services: scopeOf(services), sites: scopeOf(sites) })),
  devices: [...devices],
});
