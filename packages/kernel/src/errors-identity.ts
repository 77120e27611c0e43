/** The part of the registry of errors (`errors.ts`) that is about who somebody is. They say no more than whoever is not signed in may know. */

export const identityErrors = {
  REQUEST_FOREIGN: {
    kind: 'user',
    retry: false,
    message: 'This request was not meant for the platform, or comes from a page of another origin: {reason}.',
    advice: 'Use the platform under its own name ({origin}).',
  },
  SIGN_IN_NEEDED: {
    kind: 'user',
    retry: false,
    message: 'Nobody is signed in, or the session has ended.',
    advice: 'Sign in, on a terminal with `coequal login`.',
  },
  SIGN_IN_FAILED: {
    kind: 'user',
    retry: false,
    message: 'That is not right, or not right any more.',
    advice: 'Try again. A code is good once, and only for a short time.',
  },
  SIGN_IN_BLOCKED: {
    kind: 'operational',
    retry: true,
    message: 'Too many wrong answers.',
    advice: 'Use a passkey, or a device that was used before; or wait for 15 minutes.',
  },
  SESSION_LOCKED: {
    kind: 'user',
    retry: false,
    message: 'The session is locked, because nobody used it for a while.',
    advice: 'Show a passkey or a one-time code.',
  },
  FACTOR_STALE: {
    kind: 'user',
    retry: false,
    message: 'This needs a {factor} that was shown within the last five minutes.',
    advice: 'Show it now, and ask again.',
  },
  PASSKEY_REFUSED: {
    kind: 'user',
    retry: false,
    message: 'The answer of the passkey was not taken: {reason}.',
    advice: 'Begin again; a question is good for one answer, and for five minutes.',
  },
  CODE_REFUSED: {
    kind: 'user',
    retry: false,
    message: 'This code is not known, was used, or is over.',
    advice: 'Ask for a new one.',
  },
  PERSON_UNKNOWN: {
    kind: 'user',
    retry: false,
    message: 'There is no person {name}.',
    advice: 'List them with `coequal person list`.',
  },
  PERSON_REFUSED: { kind: 'user', retry: false, message: '{reason}.', advice: '{advice}' },
  IDENTITY_FULL: {
    kind: 'operational',
    retry: true,
    message: 'There are as many {what} as there may be ({most}).',
    advice: '{advice}',
  },
  DIRECTORY_FAILED: {
    kind: 'operational',
    retry: true,
    message: 'The directory {name} cannot be asked: {reason}.',
    advice: 'Passkeys go on working. Check its address and its account in the estate.',
  },
} as const;
