/**
 * The pages of identity: coming in, signing in, one's own devices, and letting a terminal in. Keeps nothing: codes and keys are in the open
 * page only. All texts from elsewhere are shown as text.
 */
const said = document.getElementById('said');
const view = document.getElementById('view');

/** @returns what the platform answers; throws what it says no with */
const ask = async (method, path, body, reason) => {
  const response = await fetch(`/api/v1/identity/${path}`, {
    method,
    headers: {
      'x-coequal': '1',
      ...(reason === undefined ? {} : { 'coequal-reason': encodeURIComponent(reason) }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const value = text === '' ? undefined : JSON.parse(text);
  if (response.ok) return value;
  throw Object.assign(new Error(`${value?.detail ?? 'It could not be done.'} ${value?.advice ?? ''}`), {
    code: value?.code,
  });
};

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const tell = (text) => {
  said.textContent = text;
};

const show = (...children) => view.replaceChildren(...children);

/** What was asked for is done once; what went wrong is said. */
const doing = (work) => async (event) => {
  event?.preventDefault();
  tell('');
  const button = event?.submitter ?? event?.currentTarget;
  if (button instanceof HTMLButtonElement) button.disabled = true;
  try {
    await work();
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
  } finally {
    if (button instanceof HTMLButtonElement) button.disabled = false;
  }
};

const button = (id, text, work) => element('button', { id, type: 'button', textContent: text, onclick: doing(work) });

const field = (id, text, more = {}) => [
  element('label', { htmlFor: id, textContent: text }),
  element('input', { id, autocomplete: 'off', spellcheck: false, required: true, ...more }),
];

const given = (id) => document.getElementById(id).value.trim();

const form = (id, text, fields, work) =>
  element('form', { id, onsubmit: doing(work) }, ...fields, element('button', { textContent: text }));

const makePasskey = async ({ ceremony, options }) => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const made = await navigator.credentials.create({ publicKey });
  return { ceremony, response: made.toJSON() };
};

const usePasskey = async ({ ceremony, options }) => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const answer = await navigator.credentials.get({ publicKey });
  return { ceremony, response: answer.toJSON() };
};

const codesList = (codes) =>
  element(
    'section',
    { id: 'codes' },
    element('h2', { textContent: 'Recovery codes' }),
    element('p', { textContent: 'Each is good once. Write them down now: they are not shown again.' }),
    element('ul', {}, ...codes.map((code) => element('li', {}, element('code', { textContent: code })))),
  );

const enrol = () => {
  const shown = decodeURIComponent(location.hash.slice(1));
  // A code does not stay in the history of the browser.
  history.replaceState(null, '', location.pathname);
  show(
    element('h2', { textContent: 'Come in' }),
    form(
      'enrol',
      'Make a passkey',
      [
        ...field('code', 'Code', { value: shown }),
        ...field('name', 'Name to sign in with (the first person only)', { required: false }),
      ],
      async () => {
        const code = given('code');
        const name = given('name');
        const question = await ask('POST', 'enrol/ask', name === '' ? { code } : { code, name });
        const { name: who, recoveryCodes } = await ask('POST', 'enrol', { code, ...(await makePasskey(question)) });
        tell(`You are in as ${who}.`);
        show(codesList(recoveryCodes), button('go-on', 'I have written them down', account));
      },
    ),
  );
};

const signIn = async (then) => {
  const ways = await ask('GET', 'sign-in/ways');
  const by = (way) => async () => {
    await ask('POST', `sign-in/${way}`, { name: given('name'), code: given('code') });
    await then();
  };
  show(
    element('h2', { textContent: 'Sign in' }),
    button('passkey', 'Use a passkey', async () => {
      await ask('POST', 'sign-in', await usePasskey(await ask('POST', 'sign-in/ask')));
      await then();
    }),
    element(
      'details',
      {},
      element('summary', { textContent: 'Without a passkey' }),
      form(
        'by-code',
        'Use a one-time code of a device that is known',
        [...field('name', 'Name'), ...field('code', 'Code')],
        by('totp'),
      ),
      button('recovery', 'Use it as a recovery code', by('recovery')),
    ),
    ...(ways.oidc
      ? [
          button('oidc', 'Sign in with your organisation', async () => {
            location.assign((await ask('POST', 'sign-in/oidc/ask')).url);
          }),
        ]
      : []),
    ...(ways.password
      ? [
          form(
            'by-password',
            'Sign in with your directory',
            [
              ...field('directory-name', 'Name', { autocomplete: 'username' }),
              ...field('password', 'Password', { type: 'password', autocomplete: 'current-password' }),
            ],
            async () => {
              const password = document.getElementById('password').value;
              await ask('POST', 'sign-in/password', { name: given('directory-name'), password });
              await then();
            },
          ),
        ]
      : []),
  );
};

const stepUp = async () => {
  await ask('POST', 'step-up', await usePasskey(await ask('POST', 'step-up/ask')));
};

/** Asks for a fresh passkey where one is missing, and tries once more. */
const fresh = async (work) => {
  try {
    return await work();
  } catch (error) {
    if (!['FACTOR_STALE', 'SESSION_LOCKED', 'ACCESS_STEP_UP'].includes(error.code)) throw error;
    await stepUp();
    return await work();
  }
};

const day = (ms) => new Date(ms).toLocaleString();

const signedIn = (page) => async () => {
  try {
    await page();
  } catch (error) {
    if (error.code === 'ACCESS_STEP_UP') {
      show(button('passkey', 'Unlock with a passkey', () => stepUp().then(signedIn(page))));
      return;
    }
    if (error.code !== 'SIGN_IN_NEEDED' && error.code !== 'ACCESS_UNKNOWN') throw error;
    await signIn(signedIn(page));
  }
};

const account = signedIn(async () => {
  const who = await ask('GET', 'me');
  const roles = who.grants.map(({ role }) => role).join(', ') || 'no role yet';
  show(
    element('h2', { id: 'who', textContent: who.display }),
    element('p', { textContent: `${who.name}: ${roles}. The session ends ${day(who.session.endsMs)}.` }),
    element('h2', { textContent: 'Passkeys' }),
    element(
      'ul',
      { id: 'passkeys' },
      ...who.passkeys.map((one) =>
        element(
          'li',
          {},
          `${one.name}, since ${day(one.madeMs)}${one.bound ? ', bound to its device' : ''}`,
          button('', 'Remove', () =>
            fresh(() => ask('DELETE', `passkeys/${encodeURIComponent(one.id)}`)).then(account),
          ),
        ),
      ),
    ),
    button('add-passkey', 'Add a passkey', async () => {
      await fresh(async () => ask('POST', 'passkeys', await makePasskey(await ask('POST', 'passkeys/ask'))));
      await account();
    }),
    element('h2', { textContent: 'Devices' }),
    element(
      'ul',
      { id: 'devices' },
      ...who.devices.map((one) =>
        element(
          'li',
          {},
          `${one.name}${one.here ? ' (this one)' : ''}, seen ${day(one.seenMs)}`,
          button('', 'Revoke', () => fresh(() => ask('DELETE', `devices/${encodeURIComponent(one.id)}`)).then(account)),
        ),
      ),
    ),
    element('h2', { textContent: 'For when no passkey is at hand' }),
    button('make-totp', who.totp ? 'Another authenticator app' : 'Add an authenticator app', async () => {
      const { secret, address } = await fresh(() => ask('POST', 'totp'));
      show(
        element('p', { textContent: 'Enter this into the app, and the first code that it shows below.' }),
        element('p', {}, element('code', { id: 'secret', textContent: secret })),
        element('p', {}, element('a', { href: address, textContent: 'Open the app on this device' })),
        form('confirm-totp', 'Confirm', field('code', 'Code', { inputMode: 'numeric' }), async () => {
          await ask('POST', 'totp/confirm', { code: given('code') });
          await account();
        }),
      );
    }),
    button('renew-codes', `New recovery codes (${who.recoveryCodesLeft} left)`, async () => {
      const { recoveryCodes } = await fresh(() => ask('POST', 'recovery-codes'));
      show(codesList(recoveryCodes), button('go-on', 'I have written them down', account));
    }),
    button('sign-out', 'Sign out', async () => {
      await ask('POST', 'sign-out');
      await account();
    }),
  );
});

const terminal = signedIn(async () => {
  await ask('GET', 'me');
  show(
    element('h2', { textContent: 'Let a terminal in' }),
    element('p', { textContent: 'Only if it is yours, and shows this code now.' }),
    form('terminal', 'Look', field('code', 'Code on the terminal'), async () => {
      const userCode = given('code');
      const found = await fresh(() => ask('POST', 'terminals/ask', { userCode }));
      show(
        element('p', { id: 'client', textContent: `${found.client}, from ${found.source}` }),
        button('approve', 'Let it in', async () => {
          await ask('POST', 'terminals/approve', { userCode, ...(await usePasskey(found)) });
          tell('It is in. You may close this page.');
          show();
        }),
        button('deny', 'Refuse', async () => {
          await ask('POST', 'terminals/deny', { userCode });
          tell('It was refused.');
          show();
        }),
      );
    }),
  );
});

const agree = signedIn(async () => {
  await ask('GET', 'me');
  show(
    element('h2', { textContent: 'Let somebody in anew' }),
    element('p', { textContent: 'Agree only after you have spoken with them yourself.' }),
    form('agree', 'Agree', [...field('id', 'Number of the request'), ...field('reason', 'Why')], async () => {
      const reason = given('reason');
      const path = `re-enrolments/${encodeURIComponent(given('id'))}`;
      const question = await fresh(() => ask('POST', `${path}/ask`, undefined, reason));
      const { half } = await ask('POST', path, await usePasskey(question), reason);
      show(
        element('p', { textContent: 'Tell them this half of their code:' }),
        element('p', {}, element('code', { id: 'half', textContent: half })),
      );
    }),
  );
});

/** Back from a provider: what it sent along is good once, and leaves the address at once. */
const arrive = async () => {
  const query = location.search.slice(1);
  history.replaceState(null, '', '/identity');
  await ask('POST', 'sign-in/oidc', { query });
  await account();
};

const pages = {
  '/identity/arrive': arrive,
  '/identity/enrol': enrol,
  '/identity/terminal': terminal,
  '/identity/agree': agree,
};
await doing(async () => (pages[location.pathname] ?? account)())();
