@echo off
rem Trains a model; the defaults are the paper's four GPUs and batch size.
rem The environment sets the variables below, and arguments are passed on: set MODEL=my_model, then
rem run_scripts\train.bat --help
setlocal
cd /d "%~dp0.."
if not defined VIRTUAL_ENV if exist .venv\Scripts\activate.bat call .venv\Scripts\activate.bat

if not defined GPU_IDS set GPU_IDS=0,1,2,3
if not defined DATAROOT set DATAROOT=./datasets/males
if not defined MODEL set MODEL=males_model
if not defined BATCH_SIZE set BATCH_SIZE=6

python train.py --gpu_ids "%GPU_IDS%" --dataroot "%DATAROOT%" --name "%MODEL%" --batchSize "%BATCH_SIZE%" --verbose %*
