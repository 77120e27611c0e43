/** The part of the registry of errors (`errors.ts`) that is about who may do what. */

export const accessErrors = {
  ACCESS_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'The platform does not know who asks.',
    advice: 'Log in, or send the token of a service account: `--token-file FILE`, or `Authorization: Bearer …`.',
  },
  ACCESS_DENIED: {
    kind: 'user',
    retry: false,
    message: '{who} may not do this ({action}): {reason}.',
    advice: 'Ask whoever gives access here; docs/access.md has the roles.',
  },
  ACCESS_STEP_UP: {
    kind: 'user',
    retry: false,
    message: 'This ({action}) needs a factor that was shown just now: {factor}.',
    advice: 'Show it, and ask again.',
  },
  ACCESS_NEEDS_APPROVAL: {
    kind: 'user',
    retry: false,
    message: 'This ({action}) needs signatures: {missing}.',
    advice: 'Make a plan of it, and have it approved.',
  },
  GRANTS_REFUSED: {
    kind: 'user',
    retry: false,
    message: 'These roles cannot be given: {reason}.',
    advice: 'docs/access.md says which roles exclude each other.',
  },
  SERVICE_ACCOUNT_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is no service account {name}.',
    advice: '`coequal service-account list` shows them.',
  },
  SERVICE_ACCOUNT_EXISTS: {
    kind: 'user',
    retry: false,
    message: 'There is a service account {name} already.',
    advice: 'Revoke it first, or give the new one another name.',
  },
  PLATFORM_STEP_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'The database has no step {step}; it has {known}.',
    advice: 'Name the newest step that the earlier version knows: its `--check` refuses the others by name.',
  },
  BACKUP_INVALID: {
    kind: 'user',
    retry: false,
    message: '{path} is no copy of a platform’s database that can be used: {reason}.',
    advice: 'Name a file that `coequal platform backup` wrote; nothing was changed.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    kind: 'user',
    retry: false,
    message: 'This idempotency key was used for another request.',
    advice: 'Make a new key for each thing that is to be done once.',
  },
  IDEMPOTENCY_PENDING: {
    kind: 'operational',
    retry: false,
    message: 'A request with this key was begun, and it is not known yet how it ended.',
    advice: 'Look whether it was done before you ask with another key.',
  },
} as const;
