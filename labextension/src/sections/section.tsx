import type { TranslationBundle } from '@jupyterlab/translation';
import { VDomRenderer } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { IListSource, ListModel, PanelModel } from '../model';
import { FailureNote, onListKey } from '../parts';
import { Translation } from '../translation';

/** What a section is made of: its list's source, its heading, its widget. */
export interface ISection<T = unknown> extends IListSource<T> {
  /** The end of the widget's id. */
  readonly id: string;

  /** The heading. */
  label(trans: TranslationBundle): string;

  create(options: Section.IOptions<T>): Section<T>;
}

/** What a section's rows can open. */
export interface IOpeners {
  /** The page of a run or of a drift check, in a tab. */
  page(noun: string, run: string): void;

  /** A file of the project. */
  file(path: string): void;
}

/** One noun's section: its list, or what to type when there is nothing in it. */
export abstract class Section<T> extends VDomRenderer<ListModel<T>> {
  constructor(options: Section.IOptions<T>) {
    const { section, list, panel, open, trans } = options;
    super(list);
    this.panel = panel;
    this.open = open;
    this.trans = trans;
    this.label = section.label(trans);
    this.id = `jp-mlops-${section.id}`;
    this.addClass('jp-Mlops-section');
    this.title.label = this.label;
    list.stateChanged.connect(this.onListChanged, this);
  }

  /** One item as a row. */
  protected abstract row(item: T): JSX.Element;

  /** What stands here while the list is empty: the line that makes the first one. */
  protected abstract empty(): JSX.Element;

  /** The rows in their order; a section may group them. */
  protected rows(items: ReadonlyArray<T>): React.ReactNode {
    return items.map(item => this.row(item));
  }

  protected render(): JSX.Element {
    const { items, failure } = this.model;
    // Without rows nothing in it takes the keyboard, and its text may be longer than it is high.
    if (items?.length) {
      this.node.removeAttribute('tabindex');
    } else {
      this.node.tabIndex = 0;
    }
    return (
      <Translation.Provider value={this.trans}>
        {failure &&
          (failure.error === 'NotTrusted' ? (
            <div className="jp-Mlops-note">
              {this.trans.__('Shown once the project is trusted.')}
            </div>
          ) : (
            <FailureNote failure={failure} />
          ))}
        {!failure && items === null && (
          <div className="jp-Mlops-note">{this.trans.__('Loading …')}</div>
        )}
        {!failure && items?.length === 0 && (
          <div className="jp-Mlops-note">{this.empty()}</div>
        )}
        {!!items?.length && (
          <ul
            className="jp-Mlops-list"
            aria-label={this.label}
            onKeyDown={onListKey}
          >
            {this.rows(items)}
          </ul>
        )}
      </Translation.Provider>
    );
  }

  private onListChanged(list: ListModel<T>): void {
    const count = list.items?.length;
    this.title.label = count ? `${this.label} (${count})` : this.label;
  }

  protected readonly panel: PanelModel;
  protected readonly open: IOpeners;
  protected readonly trans: TranslationBundle;
  private readonly label: string;
}

export namespace Section {
  export interface IOptions<T> {
    section: ISection<T>;
    list: ListModel<T>;
    panel: PanelModel;
    open: IOpeners;
    trans: TranslationBundle;
  }
}
