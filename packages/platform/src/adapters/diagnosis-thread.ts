/**
 * The thread in which incidents are diagnosed, so that the one that takes in and looks is not kept from it. It answers one question after the
 * other, and keeps between them only what would be costly to send again.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { diagnoseIncident, type IncidentScene, incidentOfScene, type Knowledge } from '@coequal/diagnosis';
import { reasonOf } from '@coequal/kernel';
import { Receiver } from '../incidents/parcel.ts';
import type { Answer, Question, ThreadData } from './diagnosing.ts';

const { estate, weights } = workerData as ThreadData;
const receiver = new Receiver();
let knowledge: Knowledge | undefined;

const answerTo = (question: Exclude<Question, { readonly ask: 'know' }>): Answer => {
  const scene: IncidentScene = {
    ...{ ...receiver.unpack(question.parcel), estate },
    ...(knowledge === undefined ? {} : { knowledge }),
    ...(weights === undefined ? {} : { weights }),
  };
  const { ask, number } = question;
  if (ask === 'diagnose') return { number, diagnosis: diagnoseIncident(scene) };
  return { number, learned: incidentOfScene(scene, question.id, question.cause, question.place) };
};

parentPort?.on('message', (question: Question) => {
  if (question.ask === 'know') {
    knowledge = question.knowledge;
    return;
  }
  try {
    parentPort?.postMessage(answerTo(question));
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : reasonOf(error);
    parentPort?.postMessage({ number: question.number, failed: reason } satisfies Answer);
  }
});
