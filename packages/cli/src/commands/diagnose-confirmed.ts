/**
 * What is learned from incidents whose cause is known, and how sure the diagnosis may be: `coequal diagnose weigh` and `coequal diagnose
 * calibration`. Both read incidents that people confirmed (`coequal incident export`) and faults that a drill made (`faults.ndjson`).
 */
import { incident, rankedCause } from '@coequal/contract';
import type { Confirmed, ReliabilityBin } from '@coequal/diagnosis';
import { fail, reasonOf } from '@coequal/kernel';
import type { Command } from 'commander';
import { z } from 'zod';
import { exitCodes } from '../failure.ts';
import { counted } from '../numbers.ts';
import type { Outcome } from '../program.ts';
import type { World } from '../world.ts';

const maximumBytes = 256 * 2 ** 20;
const weightsBytes = 2 ** 20;
const advice = 'Write one with `coequal incident export`, or name the faults.ndjson of a drill.';

type WeighFlags = { readonly out: string; readonly weights?: string; readonly json?: true };
type CalibrationFlags = { readonly picture?: string; readonly json?: true };

export const addConfirmedCommands = (group: Command, world: World, outcome: Outcome): void => {
  group
    .command('weigh')
    .summary('learn from confirmed incidents how much each witness counts')
    .argument('<files...>', 'what `coequal incident export` wrote, or faults.ndjson of a drill')
    .requiredOption('--out <weights>', 'the file of weights to write; a platform reads it as its `weights`')
    .option('--weights <file>', 'begin with these; the shipped ones unless given')
    .option('--json', 'print {incidents, brierBefore, brierAfter, reliability}')
    .addHelpText('after', '\nExample: coequal diagnose weigh confirmed.ndjson --out weights.json')
    .action(async (files: readonly string[], flags: WeighFlags) => {
      outcome.code = await weigh(world, files, flags);
    });
  group
    .command('calibration')
    .summary('how often the first cause was right, by how sure the diagnosis was')
    .argument('<files...>', 'what `coequal incident export` wrote, or faults.ndjson of a drill')
    .option('--picture <file>', 'draw the reliability diagram into this file, as SVG')
    .option('--json', 'print {incidents, right, brier, error, reliability}')
    .addHelpText('after', '\nExample: coequal diagnose calibration drill/faults.ndjson --picture calibration.svg')
    .action(async (files: readonly string[], flags: CalibrationFlags) => {
      outcome.code = await calibration(world, files, flags);
    });
};

const weigh = async (world: World, files: readonly string[], flags: WeighFlags): Promise<number> => {
  const code = await world.diagnosis();
  const confirmed = await readConfirmed(world, files);
  const before =
    flags.weights === undefined
      ? code.usualWeights
      : code.parseWeights(
          await world.files.readData(flags.weights, weightsBytes, 'Write one with `coequal diagnose weigh`.'),
          flags.weights,
        );
  const learned = code.learnWeights(confirmed, before);
  if (learned === undefined) throw noneKnown(files);
  await world.files.writeText(flags.out, code.formatWeights(learned.weights), 'Choose another place with --out.');
  const { brierBefore, brierAfter, reliability } = learned;
  if (flags.json === true)
    world.out(`${JSON.stringify({ incidents: confirmed.length, brierBefore, brierAfter, reliability })}\n`);
  else
    world.out(
      [
        `${flags.out} is learned from ${counted(confirmed.length, 'incident')}.`,
        `Mean square of what confidence missed, on incidents left out: ${rounded(brierAfter)} (before ${rounded(brierBefore)}).`,
        ...reliability.map((bin) => `  ${binText(bin, 'suspect')}`),
        '',
      ].join('\n'),
    );
  return exitCodes.good;
};

const calibration = async (world: World, files: readonly string[], flags: CalibrationFlags): Promise<number> => {
  const code = await world.diagnosis();
  const first = (await readConfirmed(world, files)).flatMap(([suspect]) =>
    suspect === undefined ? [] : [{ confidence: suspect.confidence, right: suspect.right ? 1 : 0 }],
  );
  if (first.length === 0) throw noneKnown(files);
  const mean = (pick: (one: (typeof first)[number]) => number): number =>
    first.reduce((sum, one) => sum + pick(one), 0) / first.length;
  const reliability = code.reliabilityOf(first);
  const told = {
    incidents: first.length,
    right: mean(({ right }) => right),
    brier: mean(({ confidence, right }) => (confidence - right) ** 2),
    error: reliability.reduce(
      (sum, { cases, confidence, right }) => sum + (cases / first.length) * Math.abs(confidence - right),
      0,
    ),
    reliability,
  };
  if (flags.picture !== undefined)
    await world.files.writeText(flags.picture, pictureOf(reliability), 'Choose another place with --picture.');
  if (flags.json === true) world.out(`${JSON.stringify(told)}\n`);
  else
    world.out(
      [
        `Of ${counted(first.length, 'incident')} the first cause was right in ${percent(told.right)}; confidence missed that by ${percent(told.error)} on average.`,
        ...reliability.map((bin) => `  ${binText(bin, 'incident')}`),
        '',
      ].join('\n'),
    );
  return exitCodes.good;
};

const noneKnown = (files: readonly string[]) =>
  fail('CASES_INVALID', { path: files.join(', '), line: 1, reason: 'no incident has suspects and a known cause' });

/** A line of a drill: what was suspected of a fault, and whether rightly; lines that sum up an occasion are passed over. */
const drillLine = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('fault'),
    suspects: z
      .array(rankedCause.extend({ right: z.boolean() }))
      .max(100)
      .default([]),
  }),
  z.object({ type: z.literal('occasion') }),
]);

const readConfirmed = async (world: World, files: readonly string[]): Promise<readonly Confirmed[]> => {
  const { confirmedAs } = await world.diagnosis();
  const found: Confirmed[] = [];
  for (const path of files)
    for (const [index, line] of (await world.files.readData(path, maximumBytes, advice)).split('\n').entries()) {
      if (line.trim() === '') continue;
      const refuse = (reason: string) => fail('CASES_INVALID', { path, line: index + 1, reason });
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch (error) {
        throw refuse(`not JSON (${reasonOf(error)})`);
      }
      const drilled = drillLine.safeParse(value);
      if (drilled.success) {
        if (drilled.data.type === 'fault') found.push(drilled.data.suspects);
        continue;
      }
      const parsed = incident.safeParse(value);
      if (!parsed.success) throw refuse('it is neither an incident nor a fault of a drill');
      const { diagnosis, confirmedCause } = parsed.data;
      if (diagnosis !== undefined && confirmedCause !== undefined)
        found.push(confirmedAs(diagnosis.causes, confirmedCause));
    }
  return found;
};

const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;
const percent = (share: number): string => `${Math.round(share * 100)} %`;

const binText = ({ cases, confidence, right }: ReliabilityBin, noun: string): string =>
  `told ${percent(confidence)}, right ${percent(right)} (${counted(cases, noun)})`;

const side = 320;
const edge = 48;

/** A point for each bin, as large as the bin has incidents; on the diagonal confidence is as often right as it says. */
const pictureOf = (bins: readonly ReliabilityBin[]): string => {
  const most = Math.max(...bins.map(({ cases }) => cases));
  const x = (share: number): number => Math.round((edge + share * side) * 10) / 10;
  const y = (share: number): number => Math.round((edge / 2 + (1 - share) * side) * 10) / 10;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text x="${x(share)}" y="${y(0) + 16}" text-anchor="middle">${share * 100}</text>` +
      `<text x="${edge - 6}" y="${y(share) + 4}" text-anchor="end">${share * 100}</text>`,
  );
  const points = bins.map(
    ({ cases, confidence, right }) =>
      `<circle cx="${x(confidence)}" cy="${y(right)}" r="${Math.round(4 + 10 * Math.sqrt(cases / most))}" fill="#2563eb" fill-opacity="0.6">` +
      `<title>${binText({ cases, confidence, right }, 'incident')}</title></circle>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${side + 2 * edge}" height="${side + 2 * edge}" font-family="sans-serif" font-size="12" fill="#444">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<rect x="${x(0)}" y="${y(1)}" width="${side}" height="${side}" fill="none" stroke="#bbb"/>`,
    `<line x1="${x(0)}" y1="${y(0)}" x2="${x(1)}" y2="${y(1)}" stroke="#bbb" stroke-dasharray="4"/>`,
    ...ticks,
    ...points,
    `<text x="${x(0.5)}" y="${y(0) + 36}" text-anchor="middle">confidence of the first cause, %</text>`,
    `<text transform="translate(14 ${y(0.5)}) rotate(-90)" text-anchor="middle">right, %</text>`,
    '</svg>',
    '',
  ].join('\n');
};
