@echo off
rem Makes the results page: a data set's test images at all ages.
rem The environment sets the variables below, and arguments are passed on: set MODEL=my_model, then
rem run_scripts\test.bat --help
setlocal
cd /d "%~dp0.."
if not defined VIRTUAL_ENV if exist .venv\Scripts\activate.bat call .venv\Scripts\activate.bat

if not defined GPU_IDS set GPU_IDS=0
if not defined DATAROOT set DATAROOT=./datasets/males
if not defined MODEL set MODEL=males_model
if not defined EPOCH set EPOCH=latest

python test.py --gpu_ids "%GPU_IDS%" --dataroot "%DATAROOT%" --name "%MODEL%" --which_epoch "%EPOCH%" --how_many 100 ^
  --display_id 0 %*
