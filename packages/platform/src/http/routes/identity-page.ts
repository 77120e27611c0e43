/** The pages of identity. The policy lets nothing in that does not come from here, and nobody frame them. */
import type { PageFiles } from '../../identity/adapters/page.ts';
import { noBody, nothing, type Route } from '../route.ts';

const policy = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "connect-src 'self'", "form-action 'none'", "base-uri 'none'"],
  "frame-ancestors 'none'",
].join('; ');

const headers = {
  'content-security-policy': policy,
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy':
    'publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=()',
};

export const makePageRoutes = ({ html, css, js }: PageFiles): readonly Route[] => {
  const file = (path: string, type: string, body: string): Route => ({
    ...{ method: 'GET', path, summary: 'A page of identity.', access: 'anyone', classification: 'public' },
    limits: { bodyBytes: 0, rate: 'read' },
    input: { params: nothing, query: nothing, body: { kind: 'none', schema: noBody, types: [] } },
    output: { status: 200, type, schema: undefined },
    run: async () => ({ kind: 'body', status: 200, type, body, headers }),
  });
  return [
    ...['/identity', '/identity/enrol', '/identity/terminal', '/identity/agree', '/identity/arrive'].map((path) =>
      file(path, 'text/html; charset=utf-8', html),
    ),
    file('/identity/page.css', 'text/css; charset=utf-8', css),
    file('/identity/page.js', 'text/javascript; charset=utf-8', js),
  ];
};
