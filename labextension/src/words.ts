import type { TranslationBundle } from '@jupyterlab/translation';

import type {
  DataUse,
  DataVersion,
  DriftCheck,
  Job,
  Run,
  Service
} from './types.gen';

/** The words of the server's records. One that is missing below does not compile. */
type RecordWord =
  | Run['status']
  | Run['kind']
  | DataUse['role']
  | DataVersion['status']
  | DriftCheck['verdict']
  | Job['status']
  | Service['status'];

/** The words of the server's events: nouns, and what is done with them. */
type EventWord =
  | 'project'
  | 'run'
  | 'data'
  | 'model'
  | 'service'
  | 'added'
  | 'checked'
  | 'checked out'
  | 'collected'
  | 'deleted'
  | 'differs'
  | 'initialised'
  | 'promoted'
  | 'pushed'
  | 'registered'
  | 'reproduced'
  | 'restored'
  | 'scheduler started'
  | 'scheduler stopped'
  | 'sent'
  | 'shortened'
  | 'started'
  | 'trusted'
  | 'unscheduled'
  | 'waiting';

const WORDS: {
  [word in RecordWord | EventWord]: (trans: TranslationBundle) => string;
} = {
  added: trans => trans.__('added'),
  built: trans => trans.__('built'),
  cell: trans => trans.__('cell'),
  changed: trans => trans.__('changed'),
  checked: trans => trans.__('checked'),
  'checked out': trans => trans.__('checked out'),
  collected: trans => trans.__('collected'),
  data: trans => trans.__('data'),
  deleted: trans => trans.__('deleted'),
  differs: trans => trans.__('differs'),
  drift: trans => trans.__('drift'),
  failed: trans => trans.__('failed'),
  finished: trans => trans.__('finished'),
  initialised: trans => trans.__('initialised'),
  input: trans => trans.__('input'),
  job: trans => trans.__('job'),
  killed: trans => trans.__('killed'),
  missing: trans => trans.__('missing'),
  model: trans => trans.__('model'),
  'no drift': trans => trans.__('no drift'),
  'not checked': trans => trans.__('not checked'),
  'not evaluated': trans => trans.__('not evaluated'),
  'not in cache': trans => trans.__('not in cache'),
  ok: trans => trans.__('ok'),
  other: trans => trans.__('other'),
  output: trans => trans.__('output'),
  paused: trans => trans.__('paused'),
  project: trans => trans.__('project'),
  promoted: trans => trans.__('promoted'),
  pushed: trans => trans.__('pushed'),
  queued: trans => trans.__('queued'),
  ready: trans => trans.__('ready'),
  registered: trans => trans.__('registered'),
  reproduced: trans => trans.__('reproduced'),
  restored: trans => trans.__('restored'),
  run: trans => trans.__('run'),
  running: trans => trans.__('running'),
  scheduled: trans => trans.__('scheduled'),
  'scheduler started': trans => trans.__('scheduler started'),
  'scheduler stopped': trans => trans.__('scheduler stopped'),
  sent: trans => trans.__('sent'),
  service: trans => trans.__('service'),
  shortened: trans => trans.__('shortened'),
  started: trans => trans.__('started'),
  starting: trans => trans.__('starting'),
  stopped: trans => trans.__('stopped'),
  sweep: trans => trans.__('sweep'),
  trusted: trans => trans.__('trusted'),
  unreadable: trans => trans.__('unreadable'),
  unscheduled: trans => trans.__('unscheduled'),
  waiting: trans => trans.__('waiting')
};

/** Translate one of the server's words; one that is not known stays as it is. */
export function word(trans: TranslationBundle, value: string): string {
  return Object.prototype.hasOwnProperty.call(WORDS, value)
    ? WORDS[value as RecordWord | EventWord](trans)
    : value;
}
