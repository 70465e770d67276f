"""Data: the digits that come with the package, readers of MNIST, CIFAR, pictures and tables, preprocessing, and batches."""
from .cifar import *
from .digits import load_digits
from .encoder import TableEncoder
from .idx import load_mnist, read_idx, write_idx
from .image_augment import *
from .image_folder import *
from .image_geometry import *
from .image_scale import *
from .impute import *
from .labels import LabelEncoder, class_weights, one_hot
from .loader import Loader
from .mnist_sample import load_mnist_sample
from .onehot import *
from .preprocess import *
from .split import *
from .table import Table, parse_table, read_table

__all__ = ["CIFAR10_CLASSES", "IMAGENET_MEAN", "IMAGENET_STD", "Augment", "ImageFolder", "ImageScaler", "Imputer",
           "LabelEncoder", "Loader", "MinMaxScaler", "OneHotEncoder", "StandardScaler", "Table", "TableEncoder", "center_crop",
           "class_weights", "color_jitter", "crop", "flip", "folds", "load_cifar10", "load_cifar100", "load_digits",
           "load_mnist", "load_mnist_sample", "one_hot", "parse_table", "random_crop", "random_flip", "random_rotation",
           "read_idx", "read_image", "read_table", "resize", "scale_images", "split", "train_test_split", "write_idx"]
