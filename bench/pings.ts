/** The end of a stream changes nothing that could lose packets, so answers may take this long when it comes. */
const lastMomentSec = 0.05;

/** What became of a stream of pings. Those of the last moment may still have been on their way and do not count. */
export function readPings(output: string, intervalSec: number): { readonly sent: number; readonly lost: number } {
  const transmitted = Number(/^(\d+) packets transmitted/m.exec(output)?.[1]);
  const answered = new Set(
    [...output.matchAll(/^\d+ bytes from .* icmp_seq=(\d+) /gm)].map((match) => Number(match[1])),
  );
  if (answered.size === 0) throw new Error(`no ping was answered: ${output.slice(-200)}`);
  const sent = Math.max(transmitted - Math.ceil(lastMomentSec / intervalSec), ...[...answered].slice(-1));
  const lost = sent - [...answered].filter((sequence) => sequence <= sent).length;
  return { sent, lost };
}
