/** The part of the registry of errors (`errors.ts`) that is about agents that act: enrolment, the line to platforms, actions. */

export const handsErrors = {
  ACTION_REFUSED: {
    kind: 'user',
    retry: false,
    message: 'The action was refused: {reason}.',
    advice: 'Nothing was changed. See docs/actions.md for what an agent may do.',
  },
  ACTION_KEY_USED: {
    kind: 'user',
    retry: false,
    message: 'The key {key} stands for another action.',
    advice: 'Give every order a key of its own; the one that has it was not touched.',
  },
  JOURNAL_UNUSABLE: {
    kind: 'operational',
    retry: false,
    message: 'The journal of actions {path} cannot be used: {reason}.',
    advice: 'Nothing is done without it. Put the file right, or move it away when nothing is in progress.',
  },
  SCRIPT_CHANGED: {
    kind: 'operational',
    retry: false,
    message: 'The script {name} is not the one that was signed: {reason}.',
    advice: 'It was not run. Put the signed file back, or sign the manifest again.',
  },
  MANIFEST_INVALID: {
    kind: 'user',
    retry: false,
    message: 'The manifest of scripts {path} is not used: {reason}.',
    advice: 'Correct it and sign it again with `coequal agent sign-scripts`.',
  },
  AGENT_ONLY_WATCHES: {
    kind: 'user',
    retry: false,
    message: 'The agent {name} only watches.',
    advice: 'Give it `acts` in the estate; docs/actions.md says what belongs there.',
  },
  AGENT_NOT_ENROLLED: {
    kind: 'user',
    retry: false,
    message: 'The agent {name} is not enrolled: {reason}.',
    advice: 'Get an invitation from a platform (`coequal platform invite`) and run `coequal agent enrol`.',
  },
  AGENT_AWAY: {
    kind: 'operational',
    retry: true,
    message: 'The agent {name} has no line to this platform.',
    advice: 'Nothing was sent. See that `coequal agent act` runs on its host, and its log.',
  },
  PLAN_REFUSED: {
    kind: 'user',
    retry: false,
    message: 'The plan is not carried out: {reason}.',
    advice: 'Nothing was begun. Have a new plan made, and enough people agree to it.',
  },
  ENROLMENT_REFUSED: {
    kind: 'user',
    retry: false,
    message: 'The enrolment was refused: {reason}.',
    advice: '{advice}',
  },
  LINE_UNUSABLE: {
    kind: 'operational',
    retry: true,
    message: 'There is no line to the platform at {address}: {reason}.',
    advice: '{advice}',
  },
} as const;
