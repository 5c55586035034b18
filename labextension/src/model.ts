import { VDomModel } from '@jupyterlab/ui-components';
import { ISignal, Signal } from '@lumino/signaling';

import { failureOf, MlopsApi } from './api';
import type { Change, Failure, ProjectStatus } from './types.gen';

/** What changed: a noun, the name of one of its items, and what was done with it. */
export type News = Pick<Change, 'noun' | 'name' | 'action'>;

/** One noun, and how its list is fetched. */
export interface IListSource<T = unknown> {
  /** The noun, as the server's events name it. */
  readonly noun: string;

  /** Fetch the list of a folder's project; `limit` is the number of runs that the user wants. */
  fetch(api: MlopsApi, folder: string, limit: number): Promise<T[]>;
}

/** One noun's list, as it was last fetched. */
export class ListModel<T> extends VDomModel {
  constructor(private readonly fetch: (folder: string) => Promise<T[]>) {
    super();
  }

  /** What was fetched last; null before the first answer. */
  items: ReadonlyArray<T> | null = null;

  /** Why the last fetch failed; null when it did not. */
  failure: Failure | null = null;

  /** Fetch again; of overlapping calls only the latest one's answer counts. */
  async refresh(folder: string): Promise<void> {
    const turn = ++this.turn;
    let items = this.items;
    let failure: Failure | null = null;
    try {
      items = await this.fetch(folder);
    } catch (reason) {
      failure = failureOf(reason);
    }
    if (turn === this.turn && !this.isDisposed) {
      this.items = items;
      this.failure = failure;
      this.stateChanged.emit();
    }
  }

  /** Forget everything: another project is shown now. */
  clear(): void {
    this.turn++;
    this.items = null;
    this.failure = null;
    this.stateChanged.emit();
  }

  private turn = 0;
}

/** What the panel shows: the project of one folder, and a list for each noun. */
export class PanelModel extends VDomModel {
  constructor(
    readonly api: MlopsApi,
    sources: ReadonlyArray<IListSource>
  ) {
    super();
    this.lists = new Map(
      sources.map(source => [
        source.noun,
        new ListModel(folder => source.fetch(api, folder, this.limit))
      ])
    );
  }

  /** The lists by noun, in the order of their sections. */
  readonly lists: ReadonlyMap<string, ListModel<unknown>>;

  /** How many runs are listed. */
  limit = 50;

  /** Whether anybody looks: lists are fetched only then. */
  get shown(): boolean {
    return this._shown;
  }
  set shown(shown: boolean) {
    if (shown !== this._shown) {
      this._shown = shown;
      this._shownChanged.emit(shown);
    }
  }

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

  /** What the server told last; null before the first time. */
  get news(): News | null {
    return this._news;
  }

  /** Emitted when the panel is shown or hidden. */
  get shownChanged(): ISignal<this, boolean> {
    return this._shownChanged;
  }

  /** Emitted when another project is shown, or none, or the same one was asked for again. */
  get projectChanged(): ISignal<this, void> {
    return this._projectChanged;
  }

  /** Emitted when the server told of a change. */
  get told(): ISignal<this, News> {
    return this._told;
  }

  dispose(): void {
    this.lists.forEach(list => list.dispose());
    super.dispose();
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
    if (folder !== this._folder || this.isDisposed) {
      return;
    }
    const another = project?.path !== this._project?.path;
    this._project = project;
    this._failure = failure;
    if (another) {
      this.lists.forEach(list => list.clear());
    }
    this.stateChanged.emit();
    this._projectChanged.emit();
    await Promise.all([...this.lists.keys()].map(it => this.refreshList(it)));
  }

  /** Trust the project that is shown, then ask for it again; why that failed, if it did. */
  async trust(): Promise<void> {
    if (this._project) {
      await this.api.trust(this._project.path);
      await this.refresh();
    }
  }

  /** Fetch one noun's list. */
  async refreshList(noun: string): Promise<void> {
    if (this._project && this._shown) {
      await this.lists.get(noun)?.refresh(this._project.path);
    }
  }

  /** Pass on that the server told of a change. */
  tell(news: News): void {
    this._news = news;
    this.stateChanged.emit();
    this._told.emit(news);
  }

  private _folder = '';
  private _shown = false;
  private _project: ProjectStatus | null = null;
  private _failure: Failure | null = null;
  private _news: News | null = null;
  private _shownChanged = new Signal<this, boolean>(this);
  private _projectChanged = new Signal<this, void>(this);
  private _told = new Signal<this, News>(this);
}
