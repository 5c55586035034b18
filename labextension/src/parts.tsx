import * as React from 'react';

import { moment, number, relative } from './format';
import { useTrans } from './translation';
import type { Failure } from './types.gen';
import { word } from './words';

/** What a status means to the eye. */
export type Tone = 'good' | 'bad' | 'busy' | 'warn' | 'quiet';

const TONES: { [status: string]: Tone } = {
  finished: 'good',
  ready: 'good',
  ok: 'good',
  'no drift': 'good',
  running: 'busy',
  starting: 'busy',
  queued: 'busy',
  failed: 'bad',
  missing: 'bad',
  'not in cache': 'bad',
  unreadable: 'bad',
  drift: 'bad',
  killed: 'warn',
  changed: 'warn',
  paused: 'warn',
  'not evaluated': 'warn'
};

/** Return what `status` means to the eye. */
export function toneOf(status: string): Tone {
  return TONES[status] ?? 'quiet';
}

/** A dot in the status's colour; its shape differs too, for those who do not see the colour. */
export function StatusDot(props: { status: string }): JSX.Element {
  const name = word(useTrans(), props.status);
  return (
    <span
      className="jp-Mlops-dot"
      data-tone={toneOf(props.status)}
      role="img"
      aria-label={name}
      title={name}
    />
  );
}

/** The status as a word in a frame. */
export function Badge(props: { status: string }): JSX.Element {
  const trans = useTrans();
  return (
    <span className="jp-Mlops-badge" data-tone={toneOf(props.status)}>
      {word(trans, props.status)}
    </span>
  );
}

/** A moment, relative to now and kept so; the full time is in the tooltip. */
export function RelativeTime(props: { time: string }): JSX.Element {
  const trans = useTrans();
  const [now, setNow] = React.useState(Date.now);
  React.useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, [props.time]);
  return (
    <time
      className="jp-Mlops-time"
      dateTime={props.time}
      title={moment(props.time)}
    >
      {relative(props.time, now, trans)}
    </time>
  );
}

/** Name and value pairs on one line; those that do not fit are cut off. */
export function Pairs(props: {
  values: { [key: string]: number | string | null };
}): JSX.Element {
  return (
    <>
      {Object.entries(props.values).map(([name, value]) => (
        <span className="jp-Mlops-pair" key={name}>
          {name} <b>{typeof value === 'string' ? value : number(value)}</b>
        </span>
      ))}
    </>
  );
}

/** A line to type; it breaks between words only, never inside an option. */
export function Command(props: { line: string }): JSX.Element {
  return (
    <code>
      {props.line.split(' ').map((word, at) => (
        <React.Fragment key={at}>
          {at > 0 && ' '}
          <span>{word}</span>
        </React.Fragment>
      ))}
    </code>
  );
}

/** What went wrong, and what to do about it. */
export function FailureNote(props: { failure: Failure }): JSX.Element {
  return (
    <div className="jp-Mlops-note">
      <p>{props.failure.what}</p>
      {props.failure.do && <p>{withCode(props.failure.do)}</p>}
    </div>
  );
}

/** One line of a list: what it is, a second line of details, and when. */
export interface IRowProps {
  status: string;
  title: string;
  tooltip?: string;
  details?: React.ReactNode;
  side?: React.ReactNode;
  /** What follows the row and has a keyboard stop of its own. */
  extra?: React.ReactNode;
  onOpen?: () => void;
}

/** One line of a list, a button when it opens something. */
export function Row(props: IRowProps): JSX.Element {
  const inside = (
    <>
      <StatusDot status={props.status} />
      <span className="jp-Mlops-rowTitle">{props.title}</span>
      <span className="jp-Mlops-rowSide">{props.side}</span>
      {props.details && (
        <span className="jp-Mlops-rowDetails">{props.details}</span>
      )}
    </>
  );
  return (
    <li className="jp-Mlops-item">
      {props.onOpen ? (
        <button
          type="button"
          className="jp-Mlops-row"
          title={props.tooltip}
          onClick={props.onOpen}
        >
          {inside}
        </button>
      ) : (
        <div className="jp-Mlops-row" title={props.tooltip}>
          {inside}
        </div>
      )}
      {props.extra}
    </li>
  );
}

/** Move between a list's rows with the arrow keys, Home and End. */
export function onListKey(event: React.KeyboardEvent<HTMLElement>): void {
  const rows = Array.from(
    event.currentTarget.querySelectorAll<HTMLElement>('button.jp-Mlops-row')
  );
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    Home: 0,
    End: rows.length - 1
  }[event.key];
  if (at >= 0 && next !== undefined && rows[next]) {
    rows[next].focus();
    event.preventDefault();
  }
}

/** Set what a sentence asks to type (`Type: …`) in code. */
function withCode(sentence: string): React.ReactNode {
  const [, before, code] = /^(.*?: )(%?[^()]+)/.exec(sentence) ?? [];
  return code && /^%|^pip |^jupyter /.test(code) ? (
    <>
      {before}
      <Command line={code.trim()} />
    </>
  ) : (
    sentence
  );
}
