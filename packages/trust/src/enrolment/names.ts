/**
 * By which name a certificate of ours says whose it is: a host name of a domain that is nobody's, so that an authority of the bank's can
 * say the same, and no certificate of a web server can pass for one. Pure.
 */
import { X509Certificate } from 'node:crypto';

const agentDomain = '.agent.coequal';
/** Every platform shows it: whoever dials a platform wants one of this authority, and it does not matter which. */
export const lineName = 'line.platform.coequal';

export const agentHostName = (agent: string): string => `${agent}${agentDomain}`;

/** The agent that a certificate (DER) is for; undefined when it is for none, or for several. */
export const agentOfCertificate = (der: Uint8Array): string | undefined => {
  const names = (new X509Certificate(der).subjectAltName ?? '').split(', ');
  const found = names.flatMap((name) => {
    const agent = /^DNS:([a-z][a-z0-9-]{0,31})\.agent\.coequal$/.exec(name)?.[1];
    return agent === undefined ? [] : [agent];
  });
  return found.length === 1 ? found[0] : undefined;
};
