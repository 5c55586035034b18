import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** The attributes that a user reads or hears. */
const SHOWN = 'alt|aria-label|label|placeholder|title|tooltip';
const NOT_TRANSLATED = 'A user reads this: translate it with trans.';

export default tseslint.config(
  { ignores: ['lib', 'node_modules', '**/*.js', 'src/types.gen.ts'] },
  js.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: 'tsconfig.test.json',
        tsconfigRootDir: import.meta.dirname
      }
    },
    rules: {
      '@typescript-eslint/no-namespace': 'off',
      '@typescript-eslint/consistent-type-imports': 'off',
      // A signal binds its slot: connect(this.onChanged, this).
      '@typescript-eslint/unbound-method': 'off',
      curly: 'error',
      eqeqeq: 'error',
      'prefer-arrow-callback': 'error'
    }
  },
  {
    files: ['src/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'CallExpression[callee.property.name="connect"][arguments.length=1]',
          message: 'Name the receiver: the connection is cleared with it.'
        },
        {
          selector: 'JSXText[value=/[A-Za-z]{2}/]',
          message: NOT_TRANSLATED
        },
        {
          selector: `JSXAttribute[name.name=/^(${SHOWN})$/] > Literal[value=/[A-Za-z]{2}/]`,
          message: NOT_TRANSLATED
        },
        {
          selector: `JSXAttribute[name.name=/^(${SHOWN})$/] TemplateElement[value.raw=/[A-Za-z]{2}/]`,
          message: NOT_TRANSLATED
        }
      ]
    }
  }
);
