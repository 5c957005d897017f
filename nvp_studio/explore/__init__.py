"""Questions put to a trained flow: pictures from recipes, scores of files."""

from nvp_studio._lazy import lazy_attributes

_MODULES = {
    "Animation": "nvp_studio.explore.animation",
    "OpenedModel": "nvp_studio.explore.model",
    "PictureFile": "nvp_studio.explore.pictures",
    "Rendering": "nvp_studio.explore.rendering",
    "ScoreRow": "nvp_studio.score_row",
    "animate": "nvp_studio.explore.animating",
    "corners_grid": "nvp_studio.explore.grids",
    "draw_sheet": "nvp_studio.explore.grids",
    "find_local_directions": "nvp_studio.explore.local_directions",
    "find_neighbours": "nvp_studio.explore.neighbours",
    "kept_strip": "nvp_studio.explore.grids",
    "latent": "nvp_studio.explore.rendering",
    "make_direction": "nvp_studio.explore.own_directions",
    "make_image_map": "nvp_studio.explore.image_map",
    "mix": "nvp_studio.explore.mixing",
    "new_sample": "nvp_studio.explore.mixing",
    "open_model": "nvp_studio.explore.model",
    "read_animation": "nvp_studio.explore.animation_files",
    "read_image": "nvp_studio.explore.mixing",
    "read_own_directions": "nvp_studio.explore.own_directions",
    "read_picture": "nvp_studio.explore.pictures",
    "read_pictures": "nvp_studio.explore.own_directions",
    "redraw_region": "nvp_studio.explore.redraw",
    "render": "nvp_studio.explore.rendering",
    "save_picture": "nvp_studio.explore.pictures",
    "score_batches": "nvp_studio.explore.score",
    "score_files": "nvp_studio.explore.score",
    "step_density": "nvp_studio.explore.nudge",
    "sweep": "nvp_studio.explore.grids",
    "write_animation": "nvp_studio.explore.animation_files",
    "write_png": "nvp_studio.explore.pictures",
}

__all__ = list(_MODULES)

__getattr__, __dir__ = lazy_attributes(__name__, _MODULES)
