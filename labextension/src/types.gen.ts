// Written by `python -m jupyter_mlops.server.types` from the pydantic models; not edited by hand.

export const CHANGE_SCHEMA = 'https://events.jupyter.org/jupyter_mlops/change/v1';

/** Something of a project's `noun` changed at `time` (seconds since the epoch). */
export interface Change {
  project: string;
  noun: string;
  action: string;
  name: string;
  time: number;
}

/** One column's comparison; `score`, `method` and `threshold` are Evidently's. */
export interface ColumnDrift {
  column: string;
  method: string;
  score: number | null;
  threshold: number | null;
  drift: boolean | null;
  status: 'drift' | 'no drift' | 'not evaluated';
  reason: string;
  histogram: Histogram | null;
}

/** One version of a file that a run read or wrote; `version` is DVC's content hash. */
export interface DataUse {
  path: string;
  version: string;
  role: 'input' | 'output';
}

/** The content version of one file or folder; `version` is DVC's md5 (`….dir` for folders). */
export interface DataVersion {
  path: string;
  version: string;
  size: number;
  files: number;
  status: 'ok' | 'changed' | 'missing' | 'not in cache' | 'unreadable' | 'not checked';
  modified: string | null;
  origin: string;
  detail: string;
}

/** One earlier check, as `drift history` lists it. */
export interface DriftCheck {
  run_id: string;
  service: string;
  reference: string;
  current: string;
  verdict: 'drift' | 'no drift' | 'not evaluated';
  drifted: number;
  evaluated: number;
  current_rows: number;
  time: string;
}

/** The comparison of current data with the reference that a run was trained on. */
export interface DriftReport {
  run_id: string;
  reference: string;
  current: string;
  service: string;
  verdict: 'drift' | 'no drift' | 'not evaluated';
  drifted: number;
  evaluated: number;
  share: number | null;
  threshold: number;
  reference_rows: number;
  current_rows: number;
  time: string;
  warnings: string[];
  columns: ColumnDrift[];
}

/** The body of every answer that is not a success: what happened, what to do, and its kind. */
export interface Failure {
  message: string;
  what: string;
  do: string;
  error: string;
}

/** Shares of reference and current rows in the same bins; `labels` name them in order. */
export interface Histogram {
  labels: string[];
  reference: number[];
  current: number[];
  numeric: boolean;
}

/** A notebook made callable, as `jobs/NAME.yaml` declares it, with its last execution. */
export interface Job {
  name: string;
  notebook: string;
  params: { [key: string]: unknown };
  cron: string;
  timezone: string;
  catch_up: 'once' | 'skip';
  status: 'queued' | 'running' | 'finished' | 'failed' | 'killed' | 'scheduled' | 'paused';
  last_run: string;
  last_status: string;
  last_time: string | null;
  next_time: string | null;
  error: string;
}

/** The model of a run: where MLflow keeps it, its flavour, and whether loading it runs code. */
export interface ModelInfo {
  model_id: string;
  uri: string;
  flavor: string;
  format: string;
  safe: boolean;
  inputs: { [key: string]: string }[];
}

/** Whether the started service answered the same rows as the notebook's model does. */
export interface Parity {
  rows: number;
  equal: boolean;
  largest_difference: number;
}

/** The project that a folder belongs to; `path` is relative to the server's root folder. */
export interface ProjectStatus {
  name: string;
  path: string;
  trusted: boolean;
  outside: string[];
  schedules: boolean;
  experiment: string;
  store: 'embedded' | 'team';
  version: string;
}

/** One execution of a cell or of a notebook. */
export interface Run {
  run_id: string;
  name: string;
  status: 'running' | 'finished' | 'failed' | 'killed' | 'scheduled';
  kind: 'cell' | 'job' | 'sweep' | 'drift' | 'other';
  experiment: string;
  params: { [key: string]: string };
  metrics: { [key: string]: number | null };
  data: DataUse[];
  start_time: string;
  end_time: string | null;
  notebook: string;
  commit: string;
  parent: string;
  error: string;
  tags: { [key: string]: string };
}

/** A run with everything that was recorded beside its numbers. */
export interface RunDetail {
  run_id: string;
  name: string;
  status: 'running' | 'finished' | 'failed' | 'killed' | 'scheduled';
  kind: 'cell' | 'job' | 'sweep' | 'drift' | 'other';
  experiment: string;
  params: { [key: string]: string };
  metrics: { [key: string]: number | null };
  data: DataUse[];
  start_time: string;
  end_time: string | null;
  notebook: string;
  commit: string;
  parent: string;
  error: string;
  tags: { [key: string]: string };
  model: ModelInfo | null;
  source: string;
  artifacts: string[];
  packages: number;
}

/** A run's model packaged as a Bento, and where it answers when it is started. */
export interface Service {
  name: string;
  tag: string;
  status: 'built' | 'starting' | 'ready' | 'stopped' | 'failed';
  run_id: string;
  run_name: string;
  flavor: string;
  inputs: { [key: string]: string }[];
  parity: Parity | null;
  url: string;
  pid: number | null;
  requests: number;
  created: string;
}
