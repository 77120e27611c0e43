/**
 * COM_CHANGE_USER: the same connection under another name. The gateway asks for the proof itself, as at log-in, and the
 * session begins anew at an instance.
 */
import { isProblem, okPacket, type Packet, parseChangeUser, SERVER_ERROR } from '@coequal/mysql-wire';
import { type Asking, type Gate, type LoggedIn, prove } from './gate.ts';
import type { Session } from './session.ts';

export const changeUser = async (
  gate: Gate,
  session: Session,
  packet: Packet,
  begin: (login: LoggedIn) => Promise<boolean>,
): Promise<void> => {
  const { relay, login } = session;
  const asked = parseChangeUser(packet.payload, login.capabilities);
  if (isProblem(asked)) {
    relay.answerError(SERVER_ERROR.malformedPacket, `The gateway cannot read this change of user: ${asked.reason}.`);
    return;
  }
  relay.enter('asking');
  const proved = await prove(gate, askingOver(session), {
    user: asked.user,
    address: login.address,
    encrypted: login.encrypted,
    answer: asked.answer,
    plugin: asked.plugin,
    scramble: login.scramble,
    sequence: packet.sequence,
  });
  relay.taker = null;
  // A server ends the connection of whoever fails here, and so do we.
  if (proved === null || relay.phase !== 'asking') {
    if (proved !== null) gate.worker.leave(asked.user);
    relay.end('closed', 'the change of user was refused');
    return;
  }
  gate.worker.leave(login.user);
  const begun = await begin({
    ...login,
    user: asked.user,
    privileged: proved.door.privileged,
    credential: proved.credential,
    database: asked.database,
    collation: asked.collation ?? login.collation,
    attributes: asked.attributes.size > 0 ? asked.attributes : login.attributes,
    sequence: proved.sequence,
  });
  if (!begun) return;
  session.socket.write(okPacket({ status: relay.status }, login.capabilities, proved.sequence));
  relay.rest();
};

const askingOver = ({ relay, socket }: Session): Asking => ({
  next: () =>
    new Promise((resolve) => {
      relay.taker = (packet) => {
        relay.taker = null;
        resolve(packet);
      };
      relay.pump();
    }),
  write: (bytes) => {
    socket.write(bytes);
  },
  end: () => undefined,
});
