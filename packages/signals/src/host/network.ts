/**
 * /proc/net: interfaces, sockets and protocols, with the names and the choice of node_exporter.
 * Sources: proc(5); node_exporter's collectors netdev, sockstat, netstat.
 */
import { noLabels, type Readings, wordsOf } from './readings.ts';
import type { Named } from './scope.ts';

const received = ['bytes', 'packets', 'errs', 'drop', 'fifo', 'frame', 'compressed', 'multicast'] as const;
const transmitted = ['bytes', 'packets', 'errs', 'drop', 'fifo', 'colls', 'carrier', 'compressed'] as const;

/** `named`: those that are told; undefined: all. */
export const readInterfaces = (text: string, out: Readings, named?: Named): void => {
  for (const [index, line] of out.linesOf('/proc/net/dev', text).entries()) {
    // The name may touch the number behind it, and an alias has a colon of its own.
    const [, device, rest] = /^\s*([^|]+):\s*([^:|]*)$/.exec(line) ?? [];
    if (device === undefined || named?.has(device) === false) continue;
    const values = wordsOf(rest ?? '');
    for (const [position, name] of received.entries())
      out.addText(index, `node_network_receive_${name}_total`, [['device', device]], values[position]);
    for (const [position, name] of transmitted.entries())
      out.addText(
        index,
        `node_network_transmit_${name}_total`,
        [['device', device]],
        values[received.length + position],
      );
  }
};

/** /proc/net/sockstat and sockstat6: `TCP: inuse 27 orphan 0 …`. Memory is in pages. */
export const readSockets = (
  file: '/proc/net/sockstat' | '/proc/net/sockstat6',
  text: string,
  pageBytes: number,
  out: Readings,
): void => {
  for (const [index, line] of out.linesOf(file, text).entries()) {
    const [head = '', ...pairs] = wordsOf(line);
    const protocol = head.replace(/:$/, '');
    for (let at = 0; at + 1 < pairs.length; at += 2) {
      const field = pairs[at] ?? '';
      if (!/^\w+$/.test(protocol) || !/^\w+$/.test(field)) out.problem(index, 'this is no line of names and numbers');
      else {
        out.addText(index, `node_sockstat_${protocol}_${field}`, noLabels, pairs[at + 1]);
        if (field === 'mem')
          out.addText(index, `node_sockstat_${protocol}_mem_bytes`, noLabels, pairs[at + 1], pageBytes);
      }
    }
  }
};

const wantedOfProtocols =
  /^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$/;

/** /proc/net/netstat and /proc/net/snmp: a line of names, then a line of numbers, each beginning with the protocol. */
export const readProtocols = (file: '/proc/net/netstat' | '/proc/net/snmp', text: string, out: Readings): void => {
  const lines = out.linesOf(file, text);
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const [head = '', ...names] = wordsOf(lines[index] ?? '');
    const [valueHead, ...values] = wordsOf(lines[index + 1] ?? '');
    if (head === '') continue;
    if (head !== valueHead) {
      out.problem(index + 1, 'the numbers are not those of the line of names before');
      continue;
    }
    for (const [position, name] of names.entries()) {
      const full = `${head.replace(/:$/, '')}_${name}`;
      if (wantedOfProtocols.test(full)) out.addText(index + 1, `node_netstat_${full}`, noLabels, values[position]);
    }
  }
};

/** /proc/net/snmp6: `Ip6InOctets  123` is `node_netstat_Ip6_InOctets`. */
export const readProtocols6 = (text: string, out: Readings): void => {
  for (const [index, line] of out.linesOf('/proc/net/snmp6', text).entries()) {
    const [key = '', value] = wordsOf(line);
    const [, protocol, name] = /^([A-Za-z]+6)(\w+)$/.exec(key) ?? [];
    const full = `${protocol}_${name}`;
    if (wantedOfProtocols.test(full)) out.addText(index, `node_netstat_${full}`, noLabels, value);
  }
};
