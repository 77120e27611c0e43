/** The part of the registry of errors (`errors.ts`) that is about keys, certificates, secrets and the audit. */

export const trustErrors = {
  // Trust
  JSON_NOT_CANONICAL: {
    kind: 'bug',
    retry: false,
    message: 'The value at {path} has no canonical JSON: {reason}.',
    advice: 'Report this with what you were doing; nothing was signed.',
  },
  KEY_INVALID: {
    kind: 'user',
    retry: false,
    message: 'This is not a usable Ed25519 {half} key: {reason}.',
    advice: 'Name a PEM file that holds the {half} key.',
  },
  CERTIFICATE_REFUSED: {
    kind: 'user',
    retry: false,
    message: 'No certificate was issued: {reason}.',
    advice: 'Correct the name, address, duration or authority and try again.',
  },
  SECRET_INVALID: {
    kind: 'user',
    retry: false,
    message: '{name} cannot be stored: {reason}.',
    advice: 'Correct it; nothing was changed.',
  },
  SECRET_FILE_EXPOSED: {
    kind: 'user',
    retry: false,
    message: 'Others than its owner may read or change {path} (mode {mode}), or it belongs to somebody else.',
    advice: 'Run `chmod 600 {path}` as its owner, and replace what it protects if somebody may have read it.',
  },
  SEALED_STORE_UNREADABLE: {
    kind: 'user',
    retry: false,
    message: '{path} of the sealed store cannot be used: {reason}.',
    advice: '{advice}',
  },
  SEALED_STORE_WRONG_KEY: {
    kind: 'user',
    retry: false,
    message: 'The sealed store {path} belongs to another key than {keyPath} holds.',
    advice: 'Put its own key there, or remove the store and make it anew.',
  },
  SEALED_STORE_TAMPERED: {
    kind: 'operational',
    retry: false,
    message: 'The sealed store {path} was changed by something else than Coequal, or is damaged; nothing was read.',
    advice: 'Find out who can write there, then bring back a copy, or remove it and make it anew.',
  },
  // Keys
  KEY_RING_UNREADABLE: {
    kind: 'user',
    retry: false,
    message: 'The key ring {path} cannot be used: {reason}.',
    advice: 'Name the file of a ring, or make one with `coequal key init`.',
  },
  KEY_RING_NO_KEY: {
    kind: 'user',
    retry: false,
    message: 'The key ring {path} has no key for {use}.',
    advice: '`coequal key status` lists what it has; `coequal key seal` makes the first key of a purpose.',
  },
  KEY_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'The key ring has no key {id}, or it was retired.',
    advice: 'Its keys: {known}.',
  },
  KEY_IN_USE: { kind: 'user', retry: false, message: '{what} cannot be retired: {reason}.', advice: '{advice}' },
  KEY_PROVIDER_REFUSED: {
    kind: 'user',
    retry: false,
    message: '{provider} cannot be used: {reason}.',
    advice: '{advice}',
  },
  KEY_PROVIDER_UNREACHABLE: {
    kind: 'operational',
    retry: true,
    message: '{provider} does not answer: {reason}.',
    advice: 'Check that it runs, is unsealed and can be reached from this host, then try again.',
  },
  SEALED_FILE_INVALID: {
    kind: 'user',
    retry: false,
    message: 'The sealed file {path} does not open: {reason}.',
    advice: 'Bring back a copy that is whole, and the ring it was sealed with.',
  },
  // Audit
  AUDIT_UNWRITABLE: {
    kind: 'operational',
    retry: true,
    message: 'The audit {path} cannot be written: {reason}. What was asked for was not done.',
    advice: 'Make room and let this user write there; what is not recorded is not done.',
  },
  AUDIT_INVALID: {
    kind: 'user',
    retry: false,
    message: '{path} is no audit that can be used: {reason}.',
    advice: 'Name a file or folder of an audit; `coequal audit verify` says what is wrong with one.',
  },
  AUDIT_ANCHOR_REFUSED: {
    kind: 'operational',
    retry: true,
    message: 'The checkpoint of {chain} was not anchored in {path}: {reason}.',
    advice: '{advice}',
  },
  TIME_STAMP_REFUSED: {
    kind: 'operational',
    retry: true,
    message: 'The time-stamping authority {url} gave no time stamp: {reason}.',
    advice: 'Check its address and certificates; the next checkpoint is stamped instead.',
  },
  SYSLOG_UNREACHABLE: {
    kind: 'operational',
    retry: true,
    message: 'The syslog server {address} takes no records: {reason}.',
    advice: 'Check its address and certificates; what waits is sent when it answers.',
  },
} as const;
