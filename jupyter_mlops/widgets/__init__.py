"""anywidget views for front-ends without our extension; none yet (see the changelog)."""
