/** Signs a manifest of scripts. Whoever may do this says what agents run: the key belongs on no host that runs an agent. */
import { readFile, writeFile } from 'node:fs/promises';
import { fail, reasonOf } from '@coequal/kernel';
import { readPrivate, sign } from '@coequal/trust';
import { parseManifest } from '../manifest.ts';

/** Answers the names of its scripts. @throws MANIFEST_INVALID, KEY_INVALID, SECRET_FILE_EXPOSED, FILE_MISSING, FOLDER_UNWRITABLE */
export const signManifest = async (manifest: string, keyFile: string): Promise<readonly string[]> => {
  const invalid = (reason: string, cause?: unknown) => fail('MANIFEST_INVALID', { path: manifest, reason }, { cause });
  const bytes = await readFile(manifest).catch((error: unknown) => {
    throw invalid(reasonOf(error), error);
  });
  const scripts = parseManifest(manifest, bytes.toString('utf8'));
  const key = await readPrivate(keyFile, (reason, cause) =>
    fail('FILE_UNREADABLE', { path: keyFile, reason }, { cause }),
  );
  if (key === undefined)
    throw fail('FILE_MISSING', { path: keyFile, advice: 'Make one: openssl genpkey -algorithm ed25519 -out FILE' });
  const signature = Buffer.from(sign(key, bytes)).toString('base64');
  try {
    await writeFile(`${manifest}.sig`, `${signature}\n`);
  } catch (error) {
    const advice = 'Sign it where you may write beside it.';
    throw fail('FOLDER_UNWRITABLE', { path: `${manifest}.sig`, reason: reasonOf(error), advice }, { cause: error });
  }
  return [...scripts.keys()];
};
