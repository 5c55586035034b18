from jupyter_mlops.widgets.metric_curves import curves as curves
from jupyter_mlops.widgets.parallel_coordinates import parallel as parallel
