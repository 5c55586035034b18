import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { ListModel } from '../model';
import { FailureNote, onListKey } from '../parts';

/** What a section's rows can do. */
export interface IOpeners {
  run(id: string): void;
  drift(id: string): void;
  file(path: string): void;
  service(name: string, action: 'start' | 'stop'): Promise<void>;
}

/** One noun's section: its list, or what to type when there is nothing in it. */
export abstract class Section<T> extends ReactWidget {
  constructor(
    id: string,
    private readonly label: string,
    protected readonly model: ListModel<T>,
    protected readonly open: IOpeners,
    protected readonly trans: TranslationBundle
  ) {
    super();
    this.id = `jp-mlops-${id}`;
    this.addClass('jp-Mlops-section');
    this.title.label = label;
    model.changed.connect(() => {
      const count = model.items?.length;
      this.title.label = count ? `${this.label} (${count})` : this.label;
      this.update();
    });
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
      <>
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
      </>
    );
  }
}
