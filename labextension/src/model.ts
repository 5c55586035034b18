import { ISignal, Signal } from '@lumino/signaling';

import { failureOf, MlopsApi } from './api';
import type {
  DataVersion,
  DriftCheck,
  Failure,
  Job,
  ProjectStatus,
  Run,
  Service
} from './types.gen';

/** The five nouns, in the order in which everything lists them. */
export const NOUNS = ['run', 'data', 'job', 'service', 'drift'] as const;
export type Noun = (typeof NOUNS)[number];

/** One noun's list, as it was last fetched. */
export class ListModel<T> {
  constructor(private readonly fetch: (folder: string) => Promise<T[]>) {}

  /** What was fetched last; null before the first answer. */
  items: ReadonlyArray<T> | null = null;

  /** Why the last fetch failed; null when it did not. */
  failure: Failure | null = null;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Fetch again; of overlapping calls only the latest one's answer counts. */
  async refresh(folder: string): Promise<void> {
    const turn = ++this._turn;
    try {
      const items = await this.fetch(folder);
      if (turn !== this._turn) {
        return;
      }
      this.items = items;
      this.failure = null;
    } catch (reason) {
      if (turn !== this._turn) {
        return;
      }
      this.failure = failureOf(reason);
    }
    this._changed.emit();
  }

  /** Forget everything: another project is shown now. */
  clear(): void {
    this._turn++;
    this.items = null;
    this.failure = null;
    this._changed.emit();
  }

  private _turn = 0;
  private _changed = new Signal<this, void>(this);
}

/** What the panel shows: the project of one folder, and its five lists. */
export class PanelModel {
  constructor(readonly api: MlopsApi) {
    this.run = new ListModel(folder => api.runs(folder, this.limit));
    this.data = new ListModel(folder => api.data(folder));
    this.job = new ListModel(folder => api.jobs(folder));
    this.service = new ListModel(folder => api.services(folder));
    this.drift = new ListModel(folder => api.driftHistory(folder));
  }

  readonly run: ListModel<Run>;
  readonly data: ListModel<DataVersion>;
  readonly job: ListModel<Job>;
  readonly service: ListModel<Service>;
  readonly drift: ListModel<DriftCheck>;

  /** Whether anybody looks: lists are fetched only then. */
  shown = false;

  /** How many runs are listed. */
  limit = 50;

  get project(): ProjectStatus | null {
    return this._project;
  }

  /** Why no project is shown; null while one is, or before the first answer. */
  get failure(): Failure | null {
    return this._failure;
  }

  /** The folder that the panel follows. */
  get folder(): string {
    return this._folder;
  }

  /** Emitted when another project is shown, or none. */
  get projectChanged(): ISignal<this, void> {
    return this._projectChanged;
  }

  /** Emitted with a list's noun and a name when the server told of a change. */
  get told(): ISignal<this, { noun: string; action: string; name: string }> {
    return this._told;
  }

  /** Follow another folder; its project's lists are fetched if that is another project. */
  async follow(folder: string): Promise<void> {
    if (folder !== this._folder || (!this._project && !this._failure)) {
      this._folder = folder;
      await this.refresh();
    }
  }

  /** Ask again which project the folder is in, then for its lists. */
  async refresh(): Promise<void> {
    const folder = this._folder;
    let project: ProjectStatus | null = null;
    let failure: Failure | null = null;
    try {
      project = await this.api.status(folder);
    } catch (reason) {
      failure = failureOf(reason);
    }
    if (folder !== this._folder) {
      return;
    }
    const another = project?.path !== this._project?.path;
    this._project = project;
    this._failure = failure;
    if (another) {
      NOUNS.forEach(noun => this[noun].clear());
    }
    this._projectChanged.emit();
    await Promise.all(NOUNS.map(noun => this.refreshList(noun)));
  }

  /** Trust the project that is shown, then ask for it again; why that failed, if it did. */
  async trust(): Promise<void> {
    if (this._project) {
      await this.api.trust(this._project.path);
      await this.refresh();
    }
  }

  /** Fetch one noun's list. */
  async refreshList(noun: Noun): Promise<void> {
    if (this._project && this.shown) {
      await this[noun].refresh(this._project.path);
    }
  }

  /** Pass on that the server told of a change. */
  tell(change: { noun: string; action: string; name: string }): void {
    this._told.emit(change);
  }

  private _folder = '';
  private _project: ProjectStatus | null = null;
  private _failure: Failure | null = null;
  private _projectChanged = new Signal<this, void>(this);
  private _told = new Signal<
    this,
    { noun: string; action: string; name: string }
  >(this);
}
