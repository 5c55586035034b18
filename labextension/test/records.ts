import type {
  DataVersion,
  DriftCheck,
  DriftReport,
  Job,
  ProjectStatus,
  Run,
  RunDetail,
  Service
} from '../src/types.gen';

// Names and values have no letters: whatever a test reads in words is ours.

export const PROJECT: ProjectStatus = {
  name: '№ 1',
  path: '1',
  trusted: true,
  outside: ['9://9'],
  schedules: true,
  experiment: '№ 2',
  store: 'embedded',
  version: '1.0'
};

export const RUN: Run = {
  run_id: '0123456789',
  name: '№ 3',
  status: 'finished',
  kind: 'cell',
  experiment: '№ 2',
  params: { '1': '0.1' },
  metrics: { '2': 0.912345 },
  data: [{ path: '1.1', version: '0123456789', role: 'input' }],
  start_time: '2026-01-01T00:00:00Z',
  end_time: '2026-01-01T01:02:00Z',
  notebook: '1.2',
  commit: '0123456789',
  parent: '',
  error: '',
  tags: {}
};

export const RUN_DETAIL: RunDetail = {
  ...RUN,
  model: {
    model_id: '1',
    uri: '1',
    flavor: '№ 4',
    format: '№ 5',
    safe: false,
    inputs: [{ name: '6', type: '7' }]
  },
  error: '!',
  source: '1 + 1',
  artifacts: ['1.3'],
  packages: 12
};

export const DATA: DataVersion = {
  path: '1.1',
  version: '0123456789',
  size: 1234,
  files: 2,
  status: 'not in cache',
  modified: '2026-01-01T00:00:00Z',
  origin: '',
  detail: ''
};

export const JOB: Job = {
  name: '№ 6',
  notebook: '1.2',
  params: { '1': 1 },
  cron: '0 0 * * *',
  timezone: '+1',
  catch_up: 'once',
  status: 'scheduled',
  last_run: '0123456789',
  last_status: 'failed',
  last_time: '2026-01-01T00:00:00Z',
  next_time: '2026-01-02T00:00:00Z',
  error: ''
};

export const SERVICE: Service = {
  name: '№ 7',
  tag: '№ 7:1',
  status: 'ready',
  run_id: '0123456789',
  run_name: '№ 3',
  flavor: '№ 4',
  inputs: [],
  parity: null,
  url: 'http://127.0.0.1:3000',
  pid: 1,
  requests: 2,
  created: '2026-01-01T00:00:00Z'
};

export const CHECK: DriftCheck = {
  run_id: '9876543210',
  service: '№ 7',
  reference: '1.1',
  current: '№ 7',
  verdict: 'no drift',
  drifted: 0,
  evaluated: 2,
  current_rows: 100,
  time: '2026-01-01T00:00:00Z'
};

export const REPORT: DriftReport = {
  ...CHECK,
  verdict: 'drift',
  drifted: 1,
  share: 0.5,
  threshold: 0.5,
  reference_rows: 400,
  warnings: ['?'],
  columns: [
    {
      column: '8',
      method: '№ 8',
      score: 0.02,
      threshold: 0.1,
      drift: false,
      status: 'no drift',
      reason: '',
      histogram: {
        labels: ['1', '2'],
        reference: [0.5, 0.5],
        current: [0.4, 0.6],
        numeric: true
      }
    },
    {
      column: '9',
      method: '№ 8',
      score: 0.41,
      threshold: 0.1,
      drift: true,
      status: 'drift',
      reason: '',
      histogram: null
    }
  ]
};

/** What a server with one item of each noun answers. */
export const ANSWERS: { [route: string]: unknown } = {
  status: PROJECT,
  runs: [RUN],
  [`runs/${RUN.run_id}`]: RUN_DETAIL,
  data: [DATA],
  jobs: [JOB],
  services: [SERVICE],
  drift: [CHECK],
  [`drift/${CHECK.run_id}`]: REPORT
};

/** What a click on that item opens, by section. */
export const OPENED: { [section: string]: string } = {
  runs: `run ${RUN.run_id}`,
  data: DATA.path,
  jobs: `run ${JOB.last_run}`,
  services: `run ${RUN.run_id}`,
  drift: `drift ${CHECK.run_id}`
};
