/**
 * The check of a configuration: composition root of a process that ends with its answer. It reads the estate and every file that
 * the gateway will need, and sees which instances answer, so that what is wrong is told before anything of a running gateway changes.
 */
import { X509Certificate } from 'node:crypto';
import { access, constants, mkdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createSecureContext } from 'node:tls';
import { estateOrThrow, serves } from '@coequal/estate';
import { codeOf, fail, reasonOf, silentLog, systemClock } from '@coequal/kernel';
import { readSealedStore } from '@coequal/trust';
import { gatewaySettings } from '../configure.ts';
import { openInstances, readInstanceAccess } from '../instances/adapters/open.ts';
import { lockOwner } from '../operate/adapters/lock.ts';
import { type CheckArguments, parseGatewayArguments } from '../operate/arguments.ts';
import type { Checked } from '../operate/checked.ts';
import { toldError } from '../operate/told-error.ts';
import type { GatewaySettings } from '../settings.ts';

/** A configuration is checked in this time, unless it is to wait for an instance. */
const reachMs = 10_000;
const waitMs = 24 * 3_600_000;

const textOf = async (path: string, advice: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw fail('FILE_MISSING', { path, advice }, { cause: error });
    throw fail('FILE_UNREADABLE', { path, reason: reasonOf(error) }, { cause: error });
  }
};

/** @throws GATEWAY_FILE_INVALID when a certificate cannot be read or does not fit its key */
const checkCertificates = async ({ tls }: GatewaySettings): Promise<readonly string[]> => {
  if (tls === undefined)
    return ['It offers no TLS to clients: passwords are protected by their method only, and data not at all.'];
  const advice = 'It is named in `certificates` of the gateway in the estate.';
  const authority = await textOf(tls.authority, advice);
  checked(tls.authority, () => new X509Certificate(authority));
  if (tls.certificate === undefined || tls.key === undefined) return [];
  const [cert, key] = [await textOf(tls.certificate, advice), await textOf(tls.key, advice)];
  checked(tls.certificate, () => createSecureContext({ cert, key }));
  const until = new X509Certificate(cert).validToDate.getTime();
  const days = Math.floor((until - systemClock.now()) / 86_400_000);
  return days < 14 ? [`The certificate ${tls.certificate} is valid for ${Math.max(0, days)} more days.`] : [];
};

const checked = (path: string, read: () => unknown): void => {
  try {
    read();
  } catch (error) {
    throw fail('GATEWAY_FILE_INVALID', {
      path,
      reason: reasonOf(error),
      advice: 'Give a PEM file of the authority of this service, and a key that belongs to the certificate.',
    });
  }
};

/** @throws SECRET_FILE_EXPOSED when others may read a file that holds a secret */
const checkSecret = async (path: string): Promise<void> => {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0)
    throw fail('SECRET_FILE_EXPOSED', { path, mode: (mode & 0o777).toString(8).padStart(4, '0') });
};

/** @throws FOLDER_UNWRITABLE */
const checkStateFolder = async ({ stateFolder }: GatewaySettings): Promise<void> => {
  try {
    await mkdir(stateFolder, { recursive: true, mode: 0o700 });
    await access(stateFolder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const advice = 'Make it for the user of the gateway, or name another `stateFolder` in the estate.';
    throw fail('FOLDER_UNWRITABLE', { path: stateFolder, reason: reasonOf(error), advice }, { cause: error });
  }
};

/**
 * What only one gateway may hold: its folder and its ports. One that runs holds them rightly, when only a check was asked for.
 * @throws GATEWAY_ALREADY_RUNNING, PORT_BUSY
 */
const checkPlace = async (settings: GatewaySettings, asked: CheckArguments): Promise<readonly string[]> => {
  const { name, stateFolder, listen, metrics } = settings;
  await checkStateFolder(settings);
  if (asked.running) return [];
  const pid = await lockOwner(stateFolder);
  if (pid !== undefined && !asked.check) throw fail('GATEWAY_ALREADY_RUNNING', { name, pid });
  if (pid !== undefined) return [`${name} runs already (process ${pid}), so its ports were not tried.`];
  await checkPort(name, listen, name);
  await checkPort(name, metrics, `the metrics of ${name} (\`metricsPort\`)`);
  return [];
};

/** @throws PORT_BUSY */
const checkPort = (name: string, listen: GatewaySettings['listen'], subject: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      const { host: address, port } = listen;
      reject(
        codeOf(error) === 'EADDRINUSE'
          ? fail('PORT_BUSY', { port, address, subject }, { cause: error })
          : fail('GATEWAY_NOT_STARTED', {
              name,
              reason: `it cannot listen on ${address}, port ${port}: ${reasonOf(error)}.`,
              advice: 'Give it an address of this host in the estate.',
            }),
      );
    });
    server.listen(listen.port, listen.host, () => server.close(() => resolve()));
  });

const check = async (asked: CheckArguments): Promise<Checked> => {
  const text = await textOf(asked.config, 'Name your estate file with --config.');
  const settings = gatewaySettings(estateOrThrow(text, asked.config), asked.name, { observe: asked.observe });
  const { credentials, account, tls } = settings;
  const certificates = await checkCertificates(settings);
  if (tls?.key !== undefined) await checkSecret(tls.key);
  if (credentials !== undefined) await readSealedStore(credentials, { clock: systemClock, environment: process.env });
  const reach = await readInstanceAccess(settings);
  await checkSecret(account.passwordFile);
  const warnings = [...certificates, ...(await checkPlace(settings, asked))];
  const limits = {
    ...settings.limits,
    recoveryMs: asked.wait ? waitMs : Math.min(reachMs, settings.limits.recoveryMs),
  };
  const instances = await openInstances({ ...settings, limits }, reach, systemClock, silentLog);
  try {
    const reached = instances.directory.views().filter(({ state }) => serves(state));
    return { settings, warnings, reached: reached.map(({ target }) => target.name) };
  } finally {
    instances.close();
  }
};

const answer = async (): Promise<object> => {
  try {
    return await check(parseGatewayArguments(process.argv.slice(2)));
  } catch (error) {
    return { error: toldError(error) };
  }
};

process.send?.(await answer(), () => process.exit(0));
