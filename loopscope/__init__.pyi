from loopscope.analysis.pipeline import Analysis as Analysis
from loopscope.analysis.pipeline import analyse_folder as analyse_folder
from loopscope.demo import make_demo_library as make_demo_library
from loopscope.detection.registry import make_detector as make_detector
from loopscope.detection.saved import load_model as load_model
from loopscope.detection.saved import save_model as save_model
from loopscope.embeddings import embed_library as embed_library
from loopscope.encoders.base import load_encoder as load_encoder
from loopscope.figures.overview import figures_of as figures_of
from loopscope.library import scan_folder as scan_folder
from loopscope.packs.check import check_folder as check_folder
from loopscope.packs.rules import Rules as Rules

__version__: str
HOMES: dict[str, str]
