/**
 * The one registry of errors. Every error a person or a program may see has a code here, with its kind,
 * whether trying again helps, what happened, and what to do about it. Assertions are for our own bugs
 * (`assert.ts`); this file is for the world's.
 *
 * `message` and `advice` may name details in braces, as in `{address}`; `fail` fills them in. Details must
 * never hold a secret: they are printed and logged.
 */

import { accessErrors } from './errors-access.ts';
import { handsErrors } from './errors-hands.ts';
import { identityErrors } from './errors-identity.ts';
import { trustErrors } from './errors-trust.ts';

/** `user`: the person asked for something impossible. `operational`: the world went wrong. `bug`: we did. */
export type ErrorKind = 'user' | 'operational' | 'bug';

type Entry = {
  readonly kind: ErrorKind;
  /** True where the same call may succeed later without anything being changed. */
  readonly retry: boolean;
  /** What happened and where, one sentence. */
  readonly message: string;
  /** What to do, one sentence or two. */
  readonly advice: string;
};

const registry = {
  // Command line and files
  COMMAND_USAGE: { kind: 'user', retry: false, message: '{problem}', advice: 'Run `{help}` for the flags.' },
  INTERRUPTED: { kind: 'user', retry: true, message: 'Interrupted.', advice: 'Run it again when you want it done.' },
  FILE_MISSING: { kind: 'user', retry: false, message: 'There is no file {path}.', advice: '{advice}' },
  FILE_UNREADABLE: {
    kind: 'user',
    retry: false,
    message: 'The file {path} cannot be read: {reason}.',
    advice: 'Check that it is a regular file and that you may read it.',
  },
  FOLDER_UNWRITABLE: {
    kind: 'user',
    retry: false,
    message: 'The folder {path} cannot be written: {reason}.',
    advice: '{advice}',
  },
  DISK_TOO_SMALL: {
    kind: 'operational',
    retry: false,
    message: '{path} has {free} free, and {needed} are needed.',
    advice: 'Free some space, or choose another place with {setting}.',
  },
  // Programs and processes
  PROGRAM_MISSING: {
    kind: 'user',
    retry: false,
    message: 'These programs are missing: {programs}.',
    advice: '{advice}',
  },
  PROGRAM_FAILED: {
    kind: 'operational',
    retry: false,
    message: '{program} ended with {status}: {output}',
    advice: '{advice}',
  },
  PACKAGES_UNREACHABLE: {
    kind: 'operational',
    retry: true,
    message: "The distribution's packages cannot be fetched: {reason}",
    advice: 'Check the network and the package sources of this machine, or install {packages} yourself.',
  },
  PERMISSION_MISSING: {
    kind: 'user',
    retry: false,
    message: 'No permission: {what}.',
    advice: '{advice}',
  },
  PORT_BUSY: {
    kind: 'operational',
    retry: true,
    message: 'Port {port} on {address} is already in use.',
    advice: 'End the program that holds it (`ss -ltnp` names it), or give {subject} another port.',
  },
  DEADLINE_PASSED: {
    kind: 'operational',
    retry: true,
    message: '{what} did not happen within {seconds} s. {last}',
    advice: '{advice}',
  },
  // Estate
  ESTATE_INVALID: {
    kind: 'user',
    retry: false,
    message: '{path} is not a valid estate: {count} found.\n{problems}',
    advice: 'Correct these places and run `coequal estate validate {path}` again.',
  },
  // Engines
  ENGINE_REFUSED_START: {
    kind: 'operational',
    retry: false,
    message: '{instance} did not start: {reason}',
    advice: '{advice}',
  },
  ENGINE_NOT_ANSWERING: {
    kind: 'operational',
    retry: true,
    message: '{instance} at {address} does not answer: {reason}',
    advice: 'See its log {log}.',
  },
  ENGINE_CREDENTIALS: {
    kind: 'user',
    retry: false,
    message: '{instance} at {address} refuses the account {user}.',
    advice: 'Check the account and its password in the estate.',
  },
  ENGINE_FOREIGN: {
    kind: 'operational',
    retry: false,
    message: '{instance} at {address} belongs to another cluster ({found}, expected {expected}).',
    advice: 'Check the address; an instance of another cluster is never touched.',
  },
  ENGINE_POSITION_UNKNOWN: {
    kind: 'operational',
    retry: false,
    message: 'The data of {instance} holds no usable position: {reason}.',
    advice: '{advice}',
  },
  RECOVERY_REFUSED: {
    kind: 'operational',
    retry: false,
    message: 'The service {service} cannot be started by itself: {reason}',
    advice: '{advice}',
  },
  DATA_FOLDER_FOREIGN: {
    kind: 'user',
    retry: false,
    message: '{path} is not empty and was not made by Coequal.',
    advice: 'Name an empty folder, or move what is there away.',
  },
  ENCRYPTION_UNSAFE_CACHE: {
    kind: 'user',
    retry: false,
    message:
      "{instance} encrypts its data, but the Galera cache ({path}) is written in the clear outside the estate's safe places.",
    advice:
      'Put the cache below one of `encryption.safePaths` (an encrypted volume or memory), or add its place there.',
  },
  // Store
  STORE_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is no store or host of stores {name} in the estate {estate}.',
    advice: 'Stores that it runs itself: {known}. They are described under `stores:`, see docs/estate.md.',
  },
  STORE_NOT_NAMED: {
    kind: 'user',
    retry: false,
    message: 'The estate {estate} runs stores on several hosts, and none was named.',
    advice: 'Name a store or a host with --name: {known}.',
  },
  STORE_WITHOUT_TLS: {
    kind: 'user',
    retry: false,
    message: 'The store {store} would be open to everybody who reaches {address}.',
    advice: 'Give it `tls` with a certificate, its key and the authority of its clients.',
  },
  STORE_CERTIFICATE_INVALID: {
    kind: 'user',
    retry: false,
    message: 'The certificates of the store ({path}) are of no use: {reason}.',
    advice: 'Name PEM files: the certificate, its key, and the authority that issued those of its clients.',
  },
  // Gateway
  GATEWAY_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is no gateway {name} in the estate {estate}.',
    advice: 'Its gateways: {known}.',
  },
  GATEWAY_NOT_NAMED: {
    kind: 'user',
    retry: false,
    message: 'The estate {estate} has {count} gateways, and none was named.',
    advice: 'Name one: {known}. An estate without any gets them under `gateways:`, see docs/estate.md.',
  },
  GATEWAY_NO_INSTANCE: {
    kind: 'operational',
    retry: true,
    message: 'No instance of {service} has served within {seconds} s: {states}.',
    advice: '{advice}',
  },
  GATEWAY_SCHEMA_MISSING: {
    kind: 'user',
    retry: false,
    message: 'The account {account} cannot do what a gateway needs: {lacking}.',
    advice: 'Let an administrator run: {statements}',
  },
  GATEWAY_ALREADY_RUNNING: {
    kind: 'user',
    retry: false,
    message: 'The gateway {name} is already running (process {pid}).',
    advice: 'End it first, or make it take up new code and settings with `coequal gateway restart`.',
  },
  GATEWAY_NOT_RUNNING: {
    kind: 'user',
    retry: false,
    message: 'The gateway {name} does not run on this machine, or you may not enter its folder ({folder}).',
    advice: 'Start it with `coequal gateway --config FILE`, or run this as the user that started it.',
  },
  GATEWAY_NOT_STARTED: {
    kind: 'operational',
    retry: true,
    message: 'The gateway {name} did not start: {reason}',
    advice: '{advice}',
  },
  GATEWAY_NOT_ANSWERING: {
    kind: 'operational',
    retry: true,
    message: 'The gateway {name} did not answer: {reason}.',
    advice: 'See its log; `coequal gateway status` shows its state.',
  },
  GATEWAY_RESTART_REFUSED: {
    kind: 'operational',
    retry: true,
    message: 'The gateway {name} was not restarted, and goes on as before: {reason}',
    advice: '{advice}',
  },
  GATEWAY_FILE_INVALID: {
    kind: 'user',
    retry: false,
    message: 'The file {path} is of no use to the gateway: {reason}.',
    advice: '{advice}',
  },
  GATEWAY_INSTANCE_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'The gateway {name} knows no instance {instance}.',
    advice: 'Its instances: {known}.',
  },
  GATEWAY_SESSION_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'The gateway {name} has no session {id}.',
    advice: '`coequal gateway sessions` lists those it has.',
  },
  // Agent
  AGENT_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is no agent {name} in the estate {estate}.',
    advice: 'Its agents: {known}.',
  },
  AGENT_NOT_NAMED: {
    kind: 'user',
    retry: false,
    message: 'The estate {estate} has {count} agents, and none was named.',
    advice: 'Name one with --host: {known}. An estate without any gets them under `agents:`, see docs/agent.md.',
  },
  AGENT_ALREADY_RUNNING: {
    kind: 'user',
    retry: false,
    message: 'An agent with the state folder {folder} is already running (process {pid}).',
    advice: 'End it first, or give this one another `stateFolder`.',
  },
  AGENT_NOT_STARTED: {
    kind: 'operational',
    retry: true,
    message: 'The agent {name} did not start: {reason}.',
    advice: '{advice}',
  },
  AGENT_CHANGE_REFUSED: {
    kind: 'operational',
    retry: true,
    message: 'The agent at {url} did not take the change: {reason}.',
    advice: 'Check that it runs on this machine, and that you may read its token ({tokenFile}).',
  },
  // Lab
  LAB_NOT_RUNNING: {
    kind: 'user',
    retry: false,
    message: 'There is no lab named {name} running.',
    advice: 'Start one with `coequal lab up --name {name}`; `coequal lab status` lists what runs.',
  },
  LAB_ALREADY_RUNNING: {
    kind: 'user',
    retry: false,
    message: 'A lab named {name} is already running (process {pid}).',
    advice: 'End it with `coequal lab down --name {name}`, or give this one another name with --name.',
  },
  LAB_ENDED: {
    kind: 'operational',
    retry: true,
    message: 'The lab {name} ended: {reason}',
    advice: 'Its log is {log}; `coequal lab down --name {name}` removes what it left.',
  },
  LAB_GATEWAY_FAILED: {
    kind: 'operational',
    retry: false,
    message: 'The gateway {gateway} of the lab did not start: {reason}',
    advice: 'Its log is {log}.',
  },
  LAB_MODE_IMPOSSIBLE: {
    kind: 'user',
    retry: false,
    message: 'Mode {mode} is not possible here: {reason}.',
    advice: '{advice}',
  },
  FAULT_IMPOSSIBLE: {
    kind: 'user',
    retry: false,
    message: 'The fault {fault} cannot be made here: {reason}.',
    advice: '{advice}',
  },
  SITE_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is no site {site} in this lab.',
    advice: 'Its sites are {sites}.',
  },
  LOAD_FAILED: {
    kind: 'user',
    retry: false,
    message: 'The dump {path} could not be loaded: {reason}',
    advice: 'Correct the dump (it is read as the mariadb client would read it) and start again.',
  },
  ...trustErrors,
  ...identityErrors,
  ...accessErrors,
  ...handsErrors,
  // Proof
  HISTORY_INVALID: {
    kind: 'user',
    retry: false,
    message: '{path}, line {line}: {reason}.',
    advice: 'A history is one JSON object a line, as docs/history.md describes.',
  },
  DRILL_IMPOSSIBLE: {
    kind: 'operational',
    retry: true,
    message: 'The drill cannot be run: {reason}.',
    advice: 'Check with `coequal lab status` that every site serves.',
  },
  EVIDENCE_INVALID: {
    kind: 'user',
    retry: false,
    message: '{path} is not an evidence pack: {reason}.',
    advice: 'Name the folder that a drill wrote with --out.',
  },
  // Diagnosis
  CASES_INVALID: {
    kind: 'user',
    retry: false,
    message: '{path}, line {line}: {reason}.',
    advice: 'Labelled cases are one JSON object a line, as docs/diagnosis.md describes.',
  },
  KNOWLEDGE_INVALID: {
    kind: 'user',
    retry: false,
    message: '{path} is not a knowledge file: {reason}.',
    advice: 'Name a file that `coequal diagnose learn` wrote.',
  },
  DIAGNOSIS_FAILED: {
    kind: 'bug',
    retry: true,
    message: 'The diagnosis failed: {reason}.',
    advice: 'Report it with the log of the platform; the incident goes on without.',
  },
  // The platform
  PLATFORM_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is no platform {name} in the estate {estate}; it has {known}.',
    advice: 'Name one of them with --name, or add it to `platforms` in the estate file.',
  },
  PLATFORM_NOT_NAMED: {
    kind: 'user',
    retry: false,
    message: 'The estate {estate} has {count} platforms ({known}), so one must be named.',
    advice: 'Say which with --name, or add `platforms` to the estate file; docs/estate.md shows the keys.',
  },
  PLATFORM_ALREADY_RUNNING: {
    kind: 'operational',
    retry: true,
    message: 'A platform runs already in {folder}.',
    advice: 'End that one, or give this one a `stateFolder` of its own.',
  },
  PLATFORM_DATABASE_BROKEN: {
    kind: 'operational',
    retry: false,
    message: 'The database {path} cannot be opened: {reason}.',
    advice: 'Check the disk and the permissions; move the file away to begin with an empty one.',
  },
  PLATFORM_DATABASE_NEWER: {
    kind: 'user',
    retry: false,
    message: 'The database {path} was written by a later version: it has the steps {steps}.',
    advice: 'Start the version that wrote it, or give this one a `stateFolder` of its own.',
  },
  RULES_INVALID: {
    kind: 'user',
    retry: false,
    message: 'Rule files are wrong: {problems}',
    advice: 'Correct them; each problem names its file and line.',
  },
  PLATFORM_REFUSED: {
    kind: 'user',
    retry: false,
    message: 'The platform at {url} says no: {detail}',
    advice: '{advice}',
  },
  PLATFORM_UNREACHABLE: {
    kind: 'operational',
    retry: true,
    message: 'The platform at {url} does not answer: {reason}.',
    advice: 'Start it with `coequal platform`, or name another one with --platform URL.',
  },
  // What its API says no to
  REQUEST_INVALID: {
    kind: 'user',
    retry: false,
    message: '{what}',
    advice: 'The document /api/openapi.json has the shapes.',
  },
  REQUEST_UNAUTHORISED: {
    kind: 'user',
    retry: false,
    message: 'This needs the token of agents.',
    advice: 'Send `Authorization: Bearer …` with the token of `agentTokenFile`.',
  },
  REQUEST_TOO_MANY: {
    kind: 'operational',
    retry: true,
    message: 'Too many requests of this kind.',
    advice: 'Wait a second.',
  },
  REQUEST_TOO_LARGE: {
    kind: 'user',
    retry: false,
    message: 'The body has more than {limit} bytes.',
    advice: 'Send it in parts.',
  },
  ROUTE_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is nothing at {path}.',
    advice: 'The document /api/openapi.json lists what there is.',
  },
  INCIDENT_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is no incident {id}.',
    advice: 'List them with `coequal incident list`.',
  },
  INCIDENT_IS_RESOLVED: {
    kind: 'user',
    retry: false,
    message: 'The incident {id} is resolved.',
    advice: 'Comment on it, or confirm its cause; what happens anew is another incident.',
  },
  THING_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is no {kind} {name} in the estate.',
    advice: 'The overview lists what there is.',
  },
  STORAGE_FAILED: {
    kind: 'operational',
    retry: true,
    message: 'It could not be written down: {reason}.',
    advice: 'Free space on the disk of the state folder; it is tried again by itself.',
  },
  STORE_FAILED: {
    kind: 'operational',
    retry: true,
    message: 'The store did not answer: {reason}.',
    advice: 'Ask for a time within the live window, or later.',
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof registry;
/** Whether a text from outside is one of our codes. */
export const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === 'string' && Object.hasOwn(registry, value);

export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

/** An error of the world or of the user, with its code. `message` says what happened, `advice` what to do. */
export class CoequalError extends Error {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly retry: boolean;
  readonly advice: string;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails, options?: { readonly cause?: unknown }) {
    const entry: Entry = registry[code];
    super(fill(entry.message, details), options);
    this.name = 'CoequalError';
    this.code = code;
    this.kind = entry.kind;
    this.retry = entry.retry;
    this.advice = fill(entry.advice, details);
    this.details = details;
  }
}

/** Makes the error of a code. Write `throw fail(...)`, so that the compiler sees where control ends. */
export const fail = (code: ErrorCode, details: ErrorDetails, options?: { readonly cause?: unknown }): CoequalError =>
  new CoequalError(code, details, options);

/** The code of an error, of ours or of Node's (`ENOENT`), or undefined. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** The text of whatever was thrown, one line. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' ').trim();

const fill = (template: string, details: ErrorDetails): string =>
  template.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(details[name] ?? `{${name}}`));
