import { nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

/** The domain of our texts in a language pack. */
export const DOMAIN = 'jupyter_mlops';

/** The translations of the widget that a component is drawn in. */
export const Translation = React.createContext<TranslationBundle>(
  nullTranslator.load(DOMAIN)
);

/** Use the translations of the widget around a component. */
export function useTrans(): TranslationBundle {
  return React.useContext(Translation);
}
