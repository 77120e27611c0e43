/**
 * What platforms and stores need beyond the shape of their keys: a store that is either run here or found by its address, a
 * platform that only its own machine can reach, folders of their own, references that lead somewhere.
 */
import type { Estate } from './model.ts';
import type { FilePath, Finding } from './problem.ts';
import { hostNamed } from './queries.ts';
import { duplicates, isBelow, named, type Rule } from './rule.ts';

const uniqueNames: Rule = (estate) => [
  ...duplicates('platform', named(estate.platforms, ['platforms'])),
  ...duplicates('store', named(estate.stores, ['stores'])),
];

const knownHosts: Rule = (estate) =>
  [
    ...estate.platforms.map(({ host }, index) => ({ host, at: ['platforms', index, 'host'] })),
    ...estate.stores.flatMap((store, index) =>
      store.kind === 'own' ? [{ host: store.host, at: ['stores', index, 'host'] }] : [],
    ),
  ].flatMap(({ host, at }): readonly Finding[] =>
    hostNamed(estate, host) === undefined
      ? [{ at, message: `There is no host \`${host}\``, advice: `The hosts of this estate are ${hostNames(estate)}.` }]
      : [],
  );

const hostNames = (estate: Estate): string =>
  estate.sites
    .flatMap(({ hosts }) => hosts.map(({ name }) => `\`${name}\``))
    .slice(0, 20)
    .join(', ');

/** It speaks plain HTTP: a proxy before it on the same machine has the certificate. */
const loopbackOnly: Rule = (estate) =>
  estate.platforms.flatMap(({ name, address }, index): readonly Finding[] =>
    isLoopback(address)
      ? []
      : [
          {
            at: ['platforms', index, 'address'],
            message: `Platform \`${name}\` would answer on ${address} without TLS to everybody who can reach it`,
            advice: 'Leave the key out, and put a proxy with TLS before it: `url` and `trustedProxies`.',
          },
        ],
  );

/** True for an address that only the machine itself can reach. */
export const isLoopback = (address: string): boolean => /^127(\.\d{1,3}){3}$/.test(address) || address === '::1';

const oneAuthority: Rule = (estate) =>
  estate.platforms.flatMap(({ name, line }, index): readonly Finding[] => {
    const { authority, certificate, key } = line ?? {};
    const given = [authority, certificate, key].filter((file) => file !== undefined).length;
    if (given === 0 || given === 3) return [];
    return [
      {
        at: ['platforms', index, 'line'],
        message: `\`line\` of platform \`${name}\` has some of \`authority\`, \`certificate\` and \`key\``,
        advice: 'Give all three where the bank issues certificates, or none where the platform does.',
      },
    ];
  });
/** A public name is reached with TLS, and that ends at a proxy, which has to say for whom it speaks. */
const proxyBefore: Rule = (estate) =>
  estate.platforms.flatMap(({ name, url, trustedProxies }, index): readonly Finding[] =>
    url?.startsWith('https:') === true && trustedProxies.length === 0
      ? [
          {
            at: ['platforms', index, 'url'],
            message: `Platform \`${name}\` has a public name, and no proxy that could answer under it`,
            advice: 'Name the proxy with TLS that stands before it: `trustedProxies: [127.0.0.1]`.',
          },
        ]
      : [],
  );

const eitherOwnOrForeign: Rule = (estate) =>
  estate.stores.flatMap((store, index): readonly Finding[] => {
    const at: FilePath = ['stores', index];
    if (store.kind === 'both')
      return [
        {
          at: [...at, 'url'],
          message: `Store \`${store.name}\` has a \`host\` that runs it and a \`url\` of a foreign one`,
          advice: 'Keep `host`, `port` and `folder` for one that Coequal runs, or `url` for one that is there already.',
        },
      ];
    if (store.kind === 'neither')
      return [
        {
          at,
          message: `Store \`${store.name}\` lacks ${store.missing}`,
          advice: 'Give `host`, `port` and `folder` for one that Coequal runs, or `url` for one that is there already.',
        },
      ];
    if (
      store.kind === 'own' &&
      store.tls !== undefined &&
      (store.tls.certificate === undefined || store.tls.key === undefined)
    )
      return [
        {
          at: [...at, 'tls'],
          message: `Store \`${store.name}\` has no certificate to show, or no key for it`,
          advice: 'Give `authority`, `certificate` and `key`.',
        },
      ];
    if (store.kind === 'foreign' && (store.user === undefined) !== (store.passwordFile === undefined))
      return [
        {
          at: [...at, store.user === undefined ? 'passwordFile' : 'user'],
          message: `Store \`${store.name}\` has a ${store.user === undefined ? 'password without a user' : 'user without a password'}`,
          advice: 'Give `user` and `passwordFile`, or neither.',
        },
      ];
    return [];
  });

const knownStores: Rule = (estate) =>
  estate.platforms.flatMap((platform, index) =>
    (['store', 'coarseStore'] as const).flatMap((key): readonly Finding[] => {
      const wanted = platform[key];
      if (wanted === undefined || estate.stores.some(({ name }) => name === wanted)) return [];
      return [
        {
          at: ['platforms', index, key],
          message: `There is no store \`${wanted}\``,
          advice: `The stores of this estate are ${estate.stores.map(({ name }) => `\`${name}\``).join(', ') || 'none'}.`,
        },
      ];
    }),
  );

type Resident = {
  readonly name: string;
  readonly host: string;
  readonly folder: string;
  readonly ports: readonly { readonly address: string; readonly port: number }[];
  readonly at: FilePath;
  readonly folderKey: string;
};

const residents = (estate: Estate): readonly Resident[] => [
  ...estate.platforms.map((one, index) => ({
    ...{ name: one.name, host: one.host, folder: one.stateFolder, folderKey: 'stateFolder' },
    ports: [{ address: one.address, port: one.port }],
    at: ['platforms', index],
  })),
  ...estate.stores.flatMap((one, index) =>
    one.kind === 'own'
      ? [
          {
            ...{ name: one.name, host: one.host, folder: one.folder, folderKey: 'folder' },
            ports: [
              { address: hostNamed(estate, one.host)?.at.address ?? '', port: one.port },
              { address: '127.0.0.1', port: one.localPort },
            ],
            at: ['stores', index],
          },
        ]
      : [],
  ),
];

const ownFoldersAndPorts: Rule = (estate) => {
  const all = residents(estate);
  const folders = [
    ...estate.services.flatMap(({ instances }) =>
      instances.map(({ name, host, dataFolder }) => ({ name, host, folder: dataFolder })),
    ),
    ...estate.gateways.map(({ name, host, stateFolder }) => ({ name, host, folder: stateFolder })),
  ];
  return all.flatMap((one, index): readonly Finding[] => {
    const before = [...folders, ...all.slice(0, index)];
    const shared = before.find(
      ({ host, folder }) => host === one.host && (isBelow(one.folder, folder) || isBelow(folder, one.folder)),
    );
    const port = one.ports.find(({ address, port: own }) =>
      all
        .slice(0, index)
        .some(
          (other) =>
            other.host === one.host && other.ports.some((each) => each.port === own && each.address === address),
        ),
    );
    return [
      ...(shared === undefined
        ? []
        : [
            {
              at: [...one.at, one.folderKey],
              message: `\`${one.name}\` and \`${shared.name}\` share the folder ${one.folder} on host \`${one.host}\``,
              advice: 'Give each of them a folder of its own, none inside another’s.',
            },
          ]),
      ...(port === undefined
        ? []
        : [
            {
              at: [...one.at, 'port'],
              message: `Port ${port.port} on ${port.address} of host \`${one.host}\` is taken by another platform or store`,
              advice: `Give \`${one.name}\` another port.`,
            },
          ]),
    ];
  });
};

export const platformRules: readonly Rule[] = [
  uniqueNames,
  knownHosts,
  loopbackOnly,
  oneAuthority,
  proxyBefore,
  eitherOwnOrForeign,
  knownStores,
  ownFoldersAndPorts,
];
