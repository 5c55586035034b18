# The side panel: `panel` builds it and links it into the environment, `panel-check` holds it to its rules,
# `panel-test` runs its unit tests. Included by the Makefile, which sets BIN and VENV. Nothing is done when
# nothing has changed.

PANEL_SOURCE := labextension
PANEL_BUILT := jupyter_mlops/labextension/package.json
PANEL_DEPENDENCIES := $(PANEL_SOURCE)/node_modules/.yarn-state.yml
PANEL_TESTED := $(PANEL_SOURCE)/node_modules/.cache/tested
PANEL_LINK := $(VENV)/share/jupyter/labextensions/jupyter-mlops
PANEL_CONFIG := $(VENV)/etc/jupyter/jupyter_server_config.d/jupyter_mlops.json
JLPM := cd $(PANEL_SOURCE) && PATH="$(abspath $(BIN)):$$PATH" jlpm

# Tools that say much: what $(1) prints is shown only when it fails.
quietly = @log=$$(mktemp) && if ( $(1) ) >$$log 2>&1; then rm $$log; else cat $$log; rm $$log; exit 1; fi

.PHONY: panel panel-unlink panel-check panel-test

# Links, not the copies that an editable install makes: a new build is on the screen after a reload.
panel: $(PANEL_BUILT)
	@mkdir -p $(dir $(PANEL_LINK)) $(dir $(PANEL_CONFIG))
	@test -L $(PANEL_LINK) || rm -rf $(PANEL_LINK)
	@ln -sfn ../../../../jupyter_mlops/labextension $(PANEL_LINK)
	@ln -sfn ../../../../jupyter-config/server/jupyter_mlops.json $(PANEL_CONFIG)

# Before an editable install is renewed: the installer would remove the linked files themselves.
panel-unlink:
	@test ! -L $(PANEL_LINK) || rm $(PANEL_LINK)
	@test ! -L $(PANEL_CONFIG) || rm $(PANEL_CONFIG)

$(PANEL_DEPENDENCIES): $(PANEL_SOURCE)/package.json $(PANEL_SOURCE)/yarn.lock $(PANEL_SOURCE)/.yarnrc.yml
	@echo "installing the panel's packages"
	$(call quietly,$(JLPM) install --immutable)
	@touch $@

$(PANEL_BUILT): $(PANEL_DEPENDENCIES) $(PANEL_SOURCE)/tsconfig.json \
		$(shell find $(PANEL_SOURCE)/src $(PANEL_SOURCE)/style $(PANEL_SOURCE)/schema -type f)
	@echo "building the panel"
	$(call quietly,$(JLPM) build:prod)
	@touch $@

panel-check: $(PANEL_DEPENDENCIES) panel-test
	@! grep -nE 'https?://' $(PANEL_SOURCE)/yarn.lock || { echo "yarn.lock names a host"; exit 1; }
	$(BIN)/python -m jupyter_mlops.server.types --check
	$(JLPM) typecheck
	$(call quietly,$(JLPM) lint)

panel-test: $(PANEL_TESTED)

$(PANEL_TESTED): $(PANEL_DEPENDENCIES) $(wildcard $(PANEL_SOURCE)/*.js $(PANEL_SOURCE)/tsconfig*.json) \
		$(shell find $(PANEL_SOURCE)/src $(PANEL_SOURCE)/test $(PANEL_SOURCE)/style -type f)
	@mkdir -p $(dir $@)
	@( $(JLPM) test ) >$@.log 2>&1 || { cat $@.log; exit 1; }
	@sed -n 's/^Tests: */the panel: /p' $@.log
	@mv $@.log $@
