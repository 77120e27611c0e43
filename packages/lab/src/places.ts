/**
 * Where the lab keeps things: one folder a lab below the state folder, programs and seeds in the cache folder.
 * Everything a lab leaves on disk lies in its own folder, so that removing it removes the lab.
 */
import { homedir } from 'node:os';
import { cacheFolderOf } from '@coequal/engines';
import { fail } from '@coequal/kernel';

export type Places = { readonly state: string; readonly cache: string };

/** COEQUAL_HOME overrides both; root uses the system's folders, everybody else their own. */
export const placesOf = (environment: NodeJS.ProcessEnv, userId: number): Places => {
  const home = environment['COEQUAL_HOME'];
  if (home !== undefined && home !== '') {
    if (!home.startsWith('/'))
      throw fail('COMMAND_USAGE', {
        problem: `COEQUAL_HOME must be an absolute path, not ${home}.`,
        help: 'coequal --help',
      });
    return { state: `${home}/state`, cache: cacheFolderOf(environment, userId) };
  }
  const cache = cacheFolderOf({ HOME: homedir(), ...environment }, userId);
  if (userId === 0) return { state: '/var/lib/coequal', cache };
  return { state: `${environment['XDG_STATE_HOME'] || `${homedir()}/.local/state`}/coequal`, cache };
};

/** Unix sockets have short paths (108 bytes with the end mark); the longest below a lab's folder is `/run/<instance>/sql.sock`. */
const longestFolder = 60;

export const labFolder = (places: Places, name: string): string => {
  if (!/^[a-z][a-z0-9-]{0,15}$/.test(name)) {
    throw fail('COMMAND_USAGE', {
      problem: `"${name}" cannot name a lab: it takes up to 16 small letters, digits and dashes, a letter first.`,
      help: 'coequal lab up --help',
    });
  }
  const folder = `${places.state}/labs/${name}`;
  if (folder.length > longestFolder) {
    throw fail('FOLDER_UNWRITABLE', {
      path: folder,
      reason: `its path is longer than ${longestFolder} characters, and sockets below it would not fit`,
      advice: 'Set COEQUAL_HOME to a folder with a shorter path.',
    });
  }
  return folder;
};

export const labsFolder = (places: Places): string => `${places.state}/labs`;
export const controlSocket = (folder: string): string => `${folder}/control.sock`;
export const definitionPath = (folder: string): string => `${folder}/lab.json`;
/** There once a lab that keeps its data has served: from then on the data is worth keeping. */
export const keptMark = (folder: string): string => `${folder}/kept`;
export const daemonLog = (folder: string): string => `${folder}/lab.log`;
export const gatewaySocket = (folder: string, index: number): string => `${folder}/gateway-${index}.sock`;
/** Where the metrics of a gateway are reached from outside its site. */
export const metricsSocket = (folder: string, index: number): string => `${folder}/metrics-${index}.sock`;
/** The estate as the lab's gateways read it. */
export const estateFile = (folder: string): string => `${folder}/estate.yaml`;
export const forwardSocket = (folder: string, index: number): string => `${folder}/forward-${index}.sock`;
/** Where the page of an agent is reached from outside its site; the number is the site's. */
export const agentSocket = (folder: string, index: number): string => `${folder}/agent-${index}.sock`;
/** Where a site's agent reaches what it sends to. */
export const operationsSocket = (folder: string, index: number, what: 'platform' | 'store'): string =>
  `${folder}/${what}-${index}.sock`;
/** The token with which whoever owns the lab asks its platform; for him alone. */
export const platformTokenFile = (folder: string): string => `${folder}/platform.token`;
/** Where this machine reaches the platform. */
export const platformSocket = (folder: string): string => `${folder}/platform.sock`;
