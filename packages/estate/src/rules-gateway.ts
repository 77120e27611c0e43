/**
 * What gateways need beyond the shape of their keys: a service that says how they log in, files that belong together,
 * limits that do not defeat each other. Addresses and ports are compared with everybody else's in `rules.ts`.
 */
import { formatBytes, formatDuration } from '@coequal/kernel';
import type { Estate, Gateway, PresetName } from './model.ts';
import type { FilePath, Finding } from './problem.ts';
import { serviceNamed } from './queries.ts';
import { duplicates, isBelow, perService, type Rule } from './rule.ts';

const perGateway =
  (check: (estate: Estate, gateway: Gateway, at: FilePath) => readonly Finding[]): Rule =>
  (estate) =>
    estate.gateways.flatMap((gateway, index) => check(estate, gateway, ['gateways', index]));

const accountNamed = perGateway((estate, gateway, at) => {
  const service = serviceNamed(estate, gateway.service);
  if (service === undefined || service.gateway !== undefined) return [];
  return [
    {
      at: [...at, 'service'],
      message: `Gateway \`${gateway.name}\` leads to service \`${service.name}\`, which does not say how gateways log in`,
      advice: 'Add `gateway:` with an `account` (`user` and `passwordFile`) to the service; docs/estate.md shows one.',
    },
  ];
});

const certificatesWhole = perGateway((estate, { name, service, certificates }, at) => {
  if (certificates === undefined)
    return serviceNamed(estate, service)?.tls === true
      ? [
          {
            at,
            message: `Gateway \`${name}\` has no \`certificates\`, and the instances of \`${service}\` are reached over TLS`,
            advice: 'Add `certificates:` with at least the `authority` that the certificates of instances come from.',
          },
        ]
      : [];
  const { certificate, key } = certificates;
  if ((certificate === undefined) === (key === undefined)) return [];
  return [
    {
      at: [...at, 'certificates', certificate === undefined ? 'key' : 'certificate'],
      message: `Gateway \`${name}\` has a ${certificate === undefined ? 'key without a certificate' : 'certificate without its key'}`,
      advice: 'Give both, or neither: then clients get no TLS.',
    },
  ];
});

const ownAddress = perGateway((estate, { name, host, address }, at) => {
  if (address === undefined) return [];
  const holder = estate.sites.flatMap(({ hosts }) => hosts).find((each) => each.address === address);
  if (holder === undefined || holder.name === host) return [];
  return [
    {
      at: [...at, 'address'],
      message: `Gateway \`${name}\` is on host \`${host}\`, and ${address} is the address of host \`${holder.name}\``,
      advice: `Give it an address that \`${host}\` has, or leave the key out.`,
    },
  ];
});

const ownStateFolder: Rule = (estate) =>
  estate.gateways.flatMap((gateway, index): readonly Finding[] => {
    const others = [
      ...estate.gateways.slice(0, index).map(({ name, host, stateFolder }) => ({ name, host, folder: stateFolder })),
      ...estate.services.flatMap(({ instances }) =>
        instances.map(({ name, host, dataFolder }) => ({ name, host, folder: dataFolder })),
      ),
    ];
    const { name, host, stateFolder } = gateway;
    const clash = others.find(
      (other) => other.host === host && (isBelow(stateFolder, other.folder) || isBelow(other.folder, stateFolder)),
    );
    if (clash === undefined) return [];
    return [
      {
        at: ['gateways', index, 'stateFolder'],
        message: `Gateway \`${name}\` and \`${clash.name}\` share the folder ${stateFolder} on host \`${host}\``,
        advice: 'Give each of them a folder of its own, none inside another’s.',
      },
    ];
  });

const uniqueWithin = perService((_, { gateway }, place) => {
  if (gateway === undefined) return [];
  const at: FilePath = [...place, 'gateway'];
  return [
    ...duplicates(
      'guard',
      gateway.guards.map(({ name }, index) => ({ name, at: [...at, 'guards', index] })),
    ),
    ...gateway.users.flatMap(({ user }, index): readonly Finding[] =>
      gateway.users.findIndex((other) => other.user === user) === index
        ? []
        : [
            {
              at: [...at, 'users', index, 'user'],
              message: `The user \`${user}\` has a second rule`,
              advice: 'Keep one rule for each user.',
            },
          ],
    ),
  ];
});

const limitsAgree = perService((_, { gateway }, place) => {
  if (gateway === undefined) return [];
  const { limits } = gateway;
  const at = (key: string): FilePath => [...place, 'gateway', 'limits', key];
  const findings: Finding[] = [];
  if (limits.transactionBytes > limits.replayBytes)
    findings.push({
      at: at('transaction'),
      message: `One transaction may keep ${formatBytes(limits.transactionBytes)}, and all of them together ${formatBytes(limits.replayBytes)}`,
      advice: 'Raise `replay`, or lower `transaction`.',
    });
  if (limits.silenceMs >= limits.recoveryMs)
    findings.push({
      at: at('recovery'),
      message: `A session gives up after ${formatDuration(limits.recoveryMs)}, before its instance counts as silent (${formatDuration(limits.silenceMs)})`,
      advice: 'Raise `recovery`, or lower `silence`.',
    });
  return findings;
});

/** How long the group waits before it suspects a member, by preset: `evs.suspect_timeout` of the engine's settings. */
const suspicionMs: Readonly<Record<PresetName, number>> = {
  default: 500,
  tight: 300,
  'virtual-machines': 2_700,
  stock: 5_000,
};

const impatientSilence = perService((_, { gateway, preset }, place) =>
  gateway === undefined || gateway.limits.silenceMs > suspicionMs[preset]
    ? []
    : [
        {
          at: [...place, 'gateway', 'limits', 'silence'],
          message: `Sessions leave an instance after ${formatDuration(gateway.limits.silenceMs)} of silence, before the group suspects it (${formatDuration(suspicionMs[preset])} with preset \`${preset}\`)`,
          advice: 'They would then wait for the group anyway: leave the key out, or choose a tighter preset.',
        },
      ],
);

export const gatewayRules: readonly Rule[] = [
  accountNamed,
  certificatesWhole,
  ownAddress,
  ownStateFolder,
  uniqueWithin,
  limitsAgree,
];

export const gatewayWarnings: readonly Rule[] = [impatientSilence];
