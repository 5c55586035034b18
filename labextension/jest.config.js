const { default: babel } = require('@jupyterlab/testing/lib/babel-config');
const jupyterlab = require('@jupyterlab/testing/lib/jest-config');

const defaults = jupyterlab(__dirname);

module.exports = {
  ...defaults,
  testTimeout: 600_000,
  cacheDirectory: 'node_modules/.cache/jest',
  reporters: ['default'],
  transform: {
    ...defaults.transform,
    '^.+\\.jsx?$': ['babel-jest', babel]
  },
  // JupyterLab lists the ECMAScript modules that it needs; its own packages are such modules too.
  transformIgnorePatterns: defaults.transformIgnorePatterns.map(pattern =>
    pattern.replace('(?!', '(?!@jupyter/|@jupyterlab/|')
  )
};
