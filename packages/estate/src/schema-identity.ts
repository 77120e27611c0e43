/** The keys of platforms that are about people: the public name, proxies before it, and the keys that seal what people come in with. */
import { z } from 'zod';
import { path, text } from './schema-values.ts';

const network = z
  .string()
  .superRefine((value, context) => {
    if (![z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()].some((kind) => kind.safeParse(value).success))
      context.addIssue({
        code: 'custom',
        message: `\`${value.slice(0, 60)}\` is neither an address nor a network`,
        params: { advice: 'Write an IP address, or a network like `10.0.9.0/24`.' },
      });
  })
  .meta({ description: 'An IP address, or a network.', examples: ['127.0.0.1', '10.0.9.0/24'] });

export const identityKeys = {
  url: text(
    'What browsers call the platform. Passkeys belong to the host in it; `http://localhost` and the port unless given.',
    {
      pattern: /^(https:\/\/(?![\d.]+(:|$))[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?|http:\/\/localhost(:\d{1,5})?)$/,
      message: 'is not a name under which browsers could reach a platform',
      advice: 'Write `https://` and a host name in lower case, without a path; passkeys do not work with IP addresses.',
    },
    'https://coequal.bank.example',
  ).optional(),
  trustedProxies: z
    .array(network)
    .max(64)
    .default([])
    .describe('Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` count. Those of anybody else do not.'),
  keyRing: path(
    'Key ring that seals passkeys, seeds and recovery codes; one in the state folder unless given.',
    '/etc/coequal/bank.ring',
  ).optional(),
};
