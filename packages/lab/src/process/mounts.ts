/**
 * Whether mounts that are made by this process end with it. Only then does the lab mount anything: on a machine's
 * own mounts a killed lab would leave them behind. That the process has a mount namespace of its own cannot be
 * seen from inside (it differs from the first process's in every container and many a service), so whoever was started in
 * one says so, once: a fact of the process, hence kept beside the process and not passed around.
 */

let own = false;

/** Said by the lab's daemon in full mode, which `daemonPrefix` has started in namespaces of its own. */
export const declareOwnMounts = (): void => {
  own = true;
};

export const hasOwnMounts = (): boolean => own;
